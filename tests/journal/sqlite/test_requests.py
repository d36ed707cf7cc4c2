"""Requests of a journal that is older than they are."""

from __future__ import annotations

from contextlib import closing

from bssci.journal.sqlite.database import Database, load_schema


async def test_a_journal_of_the_last_release_goes_on_and_has_room_for_requests(open_journal, tmp_path):
    old = Database(tmp_path / "data", load_schema()[:3], max_bytes=1 << 30)
    with closing(old.connect()) as connection:
        connection.execute("INSERT INTO setting (name, value) VALUES ('colour', '1')")
        connection.execute("INSERT INTO sink_cursor (name, seq) VALUES ('mqtt', 7)")
    old.release()
    journal = open_journal()
    loaded = await journal.load()
    assert (loaded.facts, loaded.cursors, loaded.requests) == ({"colour": "1"}, {"mqtt": 7}, ())
    assert await journal.requests.receive("mqtt", "topic", b"attach", at=1.0) == 1
