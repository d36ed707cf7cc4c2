"""Group commit: who shares a transaction, and whose fault fails whom."""

from __future__ import annotations

import sqlite3

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from bssci.journal import StorageError
from bssci.system.line_limit import LineLimit
from tests.support.journal import (
    OTHER_STATION,
    STATION,
    HeldWriter,
    disk_full,
    online,
    reception,
    uplink,
)


class Mischief(Exception):
    pass


def failing(cursor: sqlite3.Cursor) -> None:
    cursor.execute("INSERT INTO setting (name, value) VALUES ('half', 'done')")
    raise Mischief


def inbox_rows(cursor: sqlite3.Cursor) -> int:
    return int(cursor.execute("SELECT COUNT(*) FROM reception_batch").fetchone()[0])


async def test_what_is_submitted_during_one_commit_shares_the_next(journal):
    with HeldWriter(journal) as held:
        waiting = [
            journal.inbox.append([reception(n)], journal.sessions.mark(STATION, n)) for n in range(1, 101)
        ]
        waiting += [journal.events.append([uplink(n)]) for n in range(1, 101)]
        waiting += [journal.cursors.move("log", n) for n in range(1, 101)]
        assert journal.inbox.pending == 100
    await defer.gatherResults([held.done, *waiting])
    assert journal.statistics.commits == 2
    assert journal.inbox.pending == 0
    assert await journal.core.read(inbox_rows) == 1
    assert (await journal.load()).cursors == {"log": 100}
    assert [seq for seq, _ in await journal.events.read(0, 1000)] == list(range(1, 101))


async def test_hundreds_of_rows_take_few_statements(journal):
    statements = []
    await journal.core.change(lambda cursor: cursor.connection.set_trace_callback(statements.append))
    with HeldWriter(journal) as held:
        waiting = [
            journal.inbox.append([reception(n)], journal.sessions.mark(STATION, n)) for n in range(300)
        ]
        waiting += [
            journal.inbox.append([reception(n)], journal.sessions.mark(OTHER_STATION, n)) for n in range(300)
        ]
        waiting += [journal.events.append([uplink(n)]) for n in range(512)]
        waiting += [journal.sessions.advance(STATION, n) for n in range(300)]
        statements.clear()
    await defer.gatherResults([held.done, *waiting])
    # The end of the held group; begin, inbox, watermarks, events, commit.
    assert [s.split()[0] for s in statements if "PRAGMA" not in s] == [
        "COMMIT",
        "BEGIN",
        "INSERT",
        "WITH",
        "INSERT",
        "COMMIT",
    ]


async def test_a_commit_is_synchronous_with_the_disk(journal):
    def durability(cursor: sqlite3.Cursor) -> tuple[str, int]:
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        return mode, cursor.execute("PRAGMA synchronous").fetchone()[0]

    full = 2
    mode = "PRAGMA journal_mode"
    assert await journal.core.read(lambda cursor: cursor.execute(mode).fetchone()[0]) == "wal"
    assert (await journal.core.change(durability)) == ("wal", full)


async def test_a_change_that_raises_fails_alone(journal):
    with HeldWriter(journal):
        before = journal.inbox.append([reception(1)], journal.sessions.mark(STATION, 1))
        wrong = journal.core.change(failing)
        worse = journal.core.change(lambda cursor: cursor.execute("SELECT nonsense"))
        after = journal.events.append([uplink(1)])
    with pytest.raises(Mischief):
        await wrong
    with pytest.raises(sqlite3.OperationalError):
        await worse
    assert (await before, await after) == (1, 1)
    assert (await journal.load()).facts.get("half") is None
    assert len((await journal.load()).receptions) == 1


async def test_rows_that_cannot_be_stored_fail_alone(journal):
    with HeldWriter(journal):
        before = journal.inbox.append([reception(1)], journal.sessions.mark(STATION, 1))
        wrong = journal.inbox.append([reception(2)], journal.sessions.mark(STATION, 2**63))
        after = journal.inbox.append([reception(3)], journal.sessions.mark(STATION, 2))
    with pytest.raises(OverflowError):
        await wrong
    await before
    await after
    stored = [r.packet_counter for _, receptions in (await journal.load()).receptions for r in receptions]
    assert stored == [1, 3]
    assert journal.inbox.pending == 0


async def test_a_failing_disk_fails_the_whole_group_and_the_next_tries_again(journal):
    with HeldWriter(journal):
        receptions = journal.inbox.append([reception(1)], journal.sessions.mark(STATION, 1))
        full = journal.core.change(disk_full)
        events = journal.events.append([uplink(1)])
    for failed in (receptions, full, events):
        with pytest.raises(StorageError):
            await failed
    assert (journal.inbox.pending, journal.events.last_seq, (await journal.load()).receptions) == (0, 0, ())
    assert journal.statistics.failed_commits == 1

    seq = await journal.events.append([uplink(2)])
    assert [(s, e.packet_counter) for s, e in await journal.events.read(0, 10)] == [(seq, 2)]


async def test_a_failing_disk_is_logged_at_times_however_often_it_fails(journal, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(journal.core.writer, "_lines", LineLimit(clock.seconds, lines=1))
    with capturedLogs() as logged:
        for _ in range(21):
            with pytest.raises(StorageError):
                await journal.core.change(disk_full)
            clock.advance(6.0)
        await journal.inbox.append([reception(1)])
        with pytest.raises(StorageError):
            await journal.core.change(disk_full)
    assert [entry["failures"] for entry in logged if "failures" in entry] == [1, 11, 21]


async def test_the_end_of_failures_is_logged(journal):
    with capturedLogs() as logged:
        await journal.inbox.append([reception(1)])
        for _ in range(2):
            with pytest.raises(StorageError):
                await journal.core.change(disk_full)
        for counter in (2, 3):
            await journal.inbox.append([reception(counter)])
    assert [each["count"] for each in logged if "stores again" in each["log_format"]] == [2]


async def test_reading_between_failures_is_no_sign_that_the_disk_is_well(journal):
    with capturedLogs() as logs:
        for failed in range(1, 4):
            with pytest.raises(StorageError):
                await journal.core.change(disk_full)
            await journal.settled()
            assert journal.statistics.failed_in_row == failed
    assert len([line for line in logs if "cannot store" in line["log_format"]]) == 1
    await journal.inbox.append([reception(1)])
    assert journal.statistics.failed_in_row == 0


async def test_a_change_sees_what_was_submitted_before_it_and_nothing_later(journal):
    def count(cursor: sqlite3.Cursor) -> int:
        return int(cursor.execute("SELECT COUNT(*) FROM event").fetchone()[0])

    with HeldWriter(journal):
        counts = []
        for _ in range(3):
            journal.events.append([online()])
            counts.append(journal.core.change(count))
    assert await defer.gatherResults(counts) == [1, 2, 3]
