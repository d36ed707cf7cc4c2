"""A damaged entry costs itself: it is passed over, counted and told, and stops neither a start nor a sink."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from bssci.journal import (
    Fact,
    inspect,
)
from tests.support.journal import BAD_TEXT, SENSOR, STATION, fill, uplink


async def test_text_inside_an_event_that_is_no_utf_8_blocks_no_sink(open_journal, tmp_path):
    """msgspec raises UnicodeDecodeError for it, which is no msgspec.DecodeError."""
    journal = open_journal()
    await fill(journal)
    await journal.close()
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        body = connection.execute("SELECT body FROM event WHERE seq = 2").fetchone()[0]
        spoiled = body.replace(b"Roof", b"\xff\xff\xff\xff")
        assert spoiled != body
        connection.execute("UPDATE event SET body = ? WHERE seq = 2", (spoiled,))
    journal = open_journal(tail_bytes=0)
    assert [seq for seq, _ in await journal.events.read(0, 10)] == [1, 3]
    found, _ = await journal.history.look_back(before=None, limit=10)
    assert [seq for seq, _ in found] == [3, 1]
    assert journal.usage().unreadable == 2


@pytest.mark.parametrize("seed", range(16))
async def test_any_damaged_column_leaves_a_journal_that_starts_and_answers(open_journal, tmp_path, seed):
    journal = open_journal()
    await fill(journal)
    await journal.close()
    chance = random.Random(seed)
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_")
        ]
        for _ in range(3):
            table = chance.choice(tables)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if not row[5]]
            if not columns:
                continue
            value = chance.choice([BAD_TEXT, "x'ff'", "'text'", "x'c1c1'", "-1e300", "9223372036854775807"])
            connection.execute(f"UPDATE {table} SET {chance.choice(columns)} = {value}")
    inspect(tmp_path / "data")
    journal = open_journal(tail_bytes=0)
    await journal.load()
    await journal.events.read(0, 10)
    await journal.history.look_back(before=None, limit=10)
    await journal.history.uplinks_of_sensor(SENSOR, before=None, limit=10)
    await journal.events.find_uplinks([(SENSOR, 1)])
    await journal.sessions.registrations_at(STATION)
    await journal.downlinks.picture(queue_ids=[1], sensors=[SENSOR], stations=[STATION], limit=10)
    await journal.audit.read(before=None, limit=10)
    await journal.events.append([uplink(9)])


async def test_an_own_eui_that_is_none_is_passed_over(open_journal):
    """No station could be answered with it."""
    journal = open_journal()
    await journal.tables.put([Fact(name="sc_eui", value="922783BA186811B9"), Fact(name="other", value="x")])
    await journal.core.change(
        lambda cursor: cursor.execute("UPDATE setting SET value = replace(value, '9', char(0))")
    )
    assert (await journal.load()).facts == {"other": "x"}
    assert journal.usage().unreadable == 1
