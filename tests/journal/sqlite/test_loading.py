"""What a service needs at its start, from a journal of which some is damaged."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from bssci.journal import (
    inspect,
)
from tests.support.journal import BAD_TEXT, fill


def spoil(tmp_path, *statements: str) -> None:
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("station", f"UPDATE station SET vendor = {BAD_TEXT}, last_seen_at = 'x' WHERE rowid = 1"),
        ("station", "UPDATE station SET info = x'c1' WHERE rowid = 1"),
        ("station", "UPDATE station SET info = x'81a1ffa1ff' WHERE rowid = 1"),
        ("station", f"UPDATE station SET base_station_eui = {BAD_TEXT} WHERE rowid = 1"),
        ("attachment", "UPDATE attachment SET state = 'attached?'"),
        ("attachment", f"UPDATE attachment SET end_point_eui = {BAD_TEXT}"),
        ("sensor_activity", "UPDATE sensor_activity SET packet_counter = 'many'"),
        ("sensor_activity", "UPDATE sensor_activity SET packet_counter = 1e308"),
        ("sensor_activity", "UPDATE sensor_activity SET packet_counter = -1"),
        ("sensor_activity", "UPDATE sensor_activity SET last_seen_at = 1e308"),
        ("path", "UPDATE path SET body = 'text'"),
        ("session", "UPDATE session SET sn_bs_uuid = 7 WHERE rowid = 1"),
        ("session", f"UPDATE session SET base_station_eui = {BAD_TEXT} WHERE rowid = 1"),
        ("open_operation", "UPDATE open_operation SET message = 'text' WHERE op_id = -1"),
        ("reception_batch", "UPDATE reception_batch SET body = x'c1'"),
        ("request", "UPDATE request SET state = 'lost?' || state, payload = 3"),
        ("event", "UPDATE event SET body = x'c1' WHERE seq = 2"),
        (
            "event",
            "UPDATE event SET body = CAST(replace(hex(body), '526F6F66', 'FFFFFFFF') AS BLOB) WHERE seq = 2",
        ),
    ],
)
async def test_the_start_passes_over_what_is_damaged_and_the_inspection_names_it(
    open_journal, tmp_path, table, statement
):
    journal = open_journal()
    await fill(journal)
    await journal.close()
    assert inspect(tmp_path / "data") == []
    spoil(tmp_path, statement)
    found = inspect(tmp_path / "data")
    if table != "request":  # one in an unknown state is not looked for at the start
        [line] = found
        assert re.search(rf"entries of {table} cannot be read", line)
    journal = open_journal(tail_bytes=0)
    await journal.load()
    assert [seq for seq, _ in await journal.events.read(0, 10)] == ([1, 3] if table == "event" else [1, 2, 3])
    assert (journal.usage().unreadable > 0) is (table != "request")


async def test_a_count_that_overflows_costs_its_sensor_only(open_journal, tmp_path):
    journal = open_journal()
    await fill(journal)
    await journal.close()
    spoil(
        tmp_path,
        "UPDATE sensor_activity SET uplink_count = 9223372036854775807",
        "UPDATE checkpoint SET seq = 0",
    )
    loaded = await open_journal().load()
    assert not loaded.activities and len(loaded.sessions) == 2
