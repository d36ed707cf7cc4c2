"""A damaged entry costs itself: it is passed over, counted and told, and stops neither a start nor a sink."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bssci.journal import AuditEntry, Fact, Left, inspect
from bssci.journal.sqlite import events
from bssci.journal.sqlite.journal import SqliteJournal
from tests.support.journal import BAD_TEXT, OTHER_STATION, SENSOR, STATION, fill, uplink, without_constraints


async def test_text_inside_an_event_that_is_no_utf_8_blocks_no_sink(open_journal, tmp_path):
    """msgspec raises UnicodeDecodeError for it, which is no msgspec.DecodeError."""
    await filled(open_journal, tmp_path)
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


_FILLED: list[bytes] = []
"""the file of a journal with something of everything, made by the first test that needs one"""


async def filled(open_journal: Callable[..., SqliteJournal], tmp_path: Path) -> None:
    file = tmp_path / "data" / "journal.sqlite"
    if _FILLED:
        file.parent.mkdir(mode=0o700)
        file.write_bytes(_FILLED[0])
        return
    journal = open_journal()
    await fill(journal)
    await journal.close()
    _FILLED.append(file.read_bytes())


def damage(connection: sqlite3.Connection, table: str, column: str, value: str) -> None:
    with suppress(sqlite3.IntegrityError):  # the number of a row is nothing else, and keys differ
        connection.execute(f"UPDATE {table} SET {column} = {value}")


def columns_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Columns of every table."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        for (name,) in names
        if not name.startswith("sqlite_")
    }


async def start_and_ask(open_journal: Callable[..., SqliteJournal], directory: Path) -> None:
    inspect(directory)
    journal = open_journal(tail_bytes=0)
    loaded = await journal.load()
    texts = [*loaded.cursors, *loaded.downlinks.queued, *loaded.downlinks.stations]
    await journal.events.read(0, 10)
    await journal.history.look_back(before=None, limit=10)
    await journal.history.uplinks_of_sensor(SENSOR, before=None, limit=10)
    await journal.events.find_uplinks([(SENSOR, 1)])
    await journal.sessions.registrations_at(STATION)
    texts += await journal.sessions.registrations_of(SENSOR)
    await journal.sessions.registration_states([SENSOR])
    await journal.sessions.count_registrations()
    await journal.sessions.sensors_with_refusals()
    picture = await journal.downlinks.picture(queue_ids=[1], sensors=[SENSOR], stations=[STATION], limit=10)
    texts += [text for left in picture.left for text in (left.base_station_eui, left.end_point_eui)]
    numbers: list[Any] = [left.queue_id for left in picture.left]
    numbers += [each for row in await journal.samples.read("uplinks", since=0.0, step=1.0) for each in row]
    await journal.downlinks.of_sensor(SENSOR, 10)
    await journal.downlinks.due(2.0, 10)
    await journal.downlinks.sensors_at(STATION)
    await journal.history.late_copies(1)
    await journal.requests.newest("mqtt", "topic", 10)
    [entry] = await journal.audit.read(before=None, limit=10)
    texts += [entry.who, entry.address, entry.action, entry.target, entry.detail]
    assert all(isinstance(text, str) for text in texts)
    assert all(isinstance(number, int | float) for number in numbers)
    await journal.events.append([uplink(9)])


@pytest.mark.parametrize("seed", range(8))
async def test_any_damaged_column_leaves_a_journal_that_starts_and_answers(open_journal, tmp_path, seed):
    await filled(open_journal, tmp_path)
    chance = random.Random(seed)
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        tables = columns_of(connection)
        for _ in range(3):
            table = chance.choice(list(tables))
            value = chance.choice([BAD_TEXT, "x'ff'", "'text'", "x'c1c1'", "-1e300", "9223372036854775807"])
            damage(connection, table, chance.choice(tables[table]), value)
    await start_and_ask(open_journal, tmp_path / "data")


POSITIONS = range(13)
"""of columns in their tables"""


@pytest.mark.parametrize("position", POSITIONS)
async def test_missing_values_leave_a_journal_that_starts_and_answers(open_journal, tmp_path, position):
    await filled(open_journal, tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        tables = columns_of(connection)
        with without_constraints(connection):
            for table, columns in tables.items():
                for column in columns[position : position + 1]:
                    damage(connection, table, column, "NULL")
    await start_and_ask(open_journal, tmp_path / "data")


@pytest.mark.parametrize("position", POSITIONS)
async def test_texts_that_have_become_bytes_leave_a_journal_that_starts_and_answers(
    open_journal, tmp_path, position
):
    """One bit in the head of a row makes the difference."""
    await filled(open_journal, tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        for table, columns in columns_of(connection).items():
            for column in columns[position : position + 1]:
                damage(connection, table, column, f"CAST({column} AS BLOB)")
    await start_and_ask(open_journal, tmp_path / "data")


async def test_damaged_keys_do_not_keep_those_of_other_uplinks_in_memory(open_journal, tmp_path, monkeypatch):
    await filled(open_journal, tmp_path)
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE event SET end_point_eui = x'ff' WHERE seq = 1")
        connection.execute("UPDATE event SET packet_counter = 'text' WHERE seq = 3")
    monkeypatch.setattr(events, "KEYS_IN_MEMORY", 1)
    journal = open_journal()
    await journal.events.append([uplink(9)])
    for _ in range(10):  # one commit brings them on their way, and others follow
        await journal.settled()
    keys = await journal.core.read(
        lambda cursor: cursor.execute("SELECT end_point_eui, packet_counter FROM uplink_key").fetchall()
    )
    assert keys == [(SENSOR, 9)]


async def test_numbers_that_leave_none_for_the_next_entry(open_journal, tmp_path):
    await filled(open_journal, tmp_path)
    numbered = {
        "event": "seq",
        "request": "number",
        "audit": "seq",
        "downlink": "queue_id",
        "alarm": "number",
    }
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite", isolation_level=None)) as connection:
        for table, column in numbered.items():
            last = f"(SELECT MAX({column}) FROM {table})"
            connection.execute(f"UPDATE {table} SET {column} = 9223372036854775807 WHERE {column} = {last}")
        connection.execute("UPDATE sqlite_sequence SET seq = 9223372036854775807")
    journal = open_journal()
    loaded = await journal.load()
    assert (loaded.last_seq, loaded.downlinks.last_queue_id) == (2, 0)
    assert await journal.events.append([uplink(9)]) == 3
    assert await journal.requests.receive("mqtt", "topic", b"detach", at=2.0) == 1
    await journal.audit.append(AuditEntry(at=1.0, who="bob", address="::1", action="login"))
    assert [entry.seq for entry in await journal.audit.read(before=None, limit=10)] == [1]


@pytest.mark.parametrize("column", ["end_point_eui", "base_station_eui"])
async def test_places_of_downlinks_whose_eui_is_none_are_passed_over(open_journal, column):
    """No operation could be issued for them, and none for the others of the station."""
    journal = open_journal()
    await fill(journal)
    await journal.core.change(
        lambda cursor: cursor.execute(
            f"UPDATE downlink_left SET {column} = 'text' WHERE base_station_eui = ?", (OTHER_STATION,)
        )
    )
    picture = await journal.downlinks.picture(sensors=[SENSOR], stations=[OTHER_STATION, STATION], limit=10)
    assert picture.left == [Left(STATION, 1, SENSOR)]


@pytest.mark.parametrize("value", ["-1e300", "x'ff'", "'text'"])
async def test_a_sample_that_is_none_is_left_out(open_journal, value):
    journal = open_journal()
    await journal.samples.store(1.0, {"uplinks": 5.0}, 0.0)
    await journal.samples.store(2.0, {"uplinks": 7.0}, 0.0)
    await journal.core.change(
        lambda cursor: cursor.execute(f"UPDATE sample SET value = {value} WHERE at = 1")
    )
    assert await journal.samples.read("uplinks", since=0.0, step=10.0) == [(0.0, 7.0, 7.0, 7.0)]


async def test_an_own_eui_that_is_none_is_passed_over(open_journal):
    """No station could be answered with it."""
    journal = open_journal()
    await journal.tables.put([Fact(name="sc_eui", value="922783BA186811B9"), Fact(name="other", value="x")])
    await journal.core.change(
        lambda cursor: cursor.execute("UPDATE setting SET value = replace(value, '9', char(0))")
    )
    assert (await journal.load()).facts == {"other": "x"}
    assert journal.usage().unreadable == 1
