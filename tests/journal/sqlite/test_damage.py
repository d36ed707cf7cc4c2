"""A damaged entry costs itself: it is passed over, counted and told, and stops neither a start nor a sink."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing

import pytest

from bssci.journal import (
    Activity,
    Attachment,
    AuditEntry,
    Fact,
    PathRecord,
    Registration,
    StationRecord,
    StoredDownlink,
    StoredSession,
    inspect,
)
from bssci.model import Downlink, DownlinkRequest, StationState
from tests.support.journal import OTHER_STATION, SENSOR, STATION, reception, uplink

BAD_TEXT = "CAST(x'ff' AS TEXT)"
NAMED = StationState(at=1.0, base_station_eui=STATION, state="online", name="Roof top")


async def fill(journal):
    await journal.events.append([uplink(1), NAMED, uplink(2)])
    await journal.inbox.append([reception(1)])
    for station in (STATION, OTHER_STATION):
        await journal.sessions.begin(
            StoredSession(
                base_station_eui=station,
                sn_bs_uuid=bytes(16),
                sn_sc_uuid=bytes(16),
                version="1.0.0",
                created_at=1.0,
                open_operations=[(-1, b"one"), (-2, b"two")],
            )
        )
        await journal.sessions.store_registrations(
            station, [Registration(end_point_eui=SENSOR, fingerprint=b"f", state="attached", at=1.0)]
        )
        await journal.tables.put(
            [StationRecord(base_station_eui=station, first_seen_at=1.0, last_seen_at=1.0, info={"a": "text"})]
        )
    learned = Activity(end_point_eui=SENSOR, last_seen_at=1.0, packet_counter=2, uplink_count=2)
    await journal.tables.apply(Activity, {SENSOR: learned}, through=3)
    attachment = Attachment(end_point_eui=SENSOR, state="detached", reason="command", since=1.0)
    await journal.tables.put(
        [attachment, PathRecord(end_point_eui=SENSOR, body=b"p"), Fact(name="a", value="b")]
    )
    await journal.requests.receive("mqtt", "topic", b"attach", at=1.0)
    request = DownlinkRequest(end_point_eui=SENSOR, data=(b"\1",))
    downlink = Downlink(queue_id=1, request=request, state="queued", created_at=1.0)
    await journal.downlinks.store([StoredDownlink(downlink=downlink)], [])
    await journal.cursors.move("log", 1)
    await journal.audit.append(AuditEntry(at=1.0, who="ann", address="::1", action="login"))


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


@pytest.mark.parametrize("seed", range(40))
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
