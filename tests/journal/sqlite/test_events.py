"""Events: their order, the tail in memory and on disk, subscribers, late copies, retention."""

from __future__ import annotations

import sqlite3

import pytest
from twisted.internet import defer

from bssci.journal import JournalBusy, StorageError
from bssci.model import SensorStatus, StationStatus
from tests.support.inline_journal import InlineJournal
from tests.support.journal import SENSOR, STATION, HeldWriter, disk_full, online, reception, uplink


def count(table: str):
    return lambda cursor: cursor.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


async def test_every_kind_of_event_comes_back_as_it_was_and_numbered_in_order(open_journal):
    events = [
        uplink(1),
        SensorStatus(at=1.0, action="attached", end_point_eui=SENSOR, base_station_eui=STATION),
        StationStatus(at=2.0, base_station_eui=STATION, code=0, uptime=12.5),
        online(),
    ]
    journal = open_journal()
    assert await journal.events.append(events) == 1
    assert await journal.events.append([uplink(2)]) == 5
    expected = list(enumerate([*events, uplink(2)], 1))
    assert await journal.events.read(0, 100) == expected
    await journal.close()

    reopened = open_journal()
    assert reopened.events.last_seq == 5
    assert await reopened.events.read(0, 100) == expected
    assert await reopened.events.append([online()]) == 6


async def test_numbers_of_events_that_were_not_stored_are_used_again_though_other_changes_wait(tmp_path):
    journal = InlineJournal(tmp_path)
    _, queue = journal.queues[0]
    failing = journal.events.append([online(), online()])
    changed = journal.events.append([], beside=[journal.sessions.closing(STATION, [-1])])
    queue.pop(0).deferred.errback(StorageError("disk full"))
    appended = journal.events.append([online()])
    journal.commit()
    with pytest.raises(StorageError):
        await failing
    await changed
    assert await appended == journal.events.last_seq == 1
    journal.close()


@pytest.mark.parametrize("reopen", [False, True])
async def test_what_one_reading_gives_is_bounded_in_bytes(open_journal, monkeypatch, reopen: bool):
    monkeypatch.setattr("bssci.journal.sqlite.events.READ_BYTES", 1500)
    large = [StationStatus(at=1.0, base_station_eui=STATION, code=0, message="x" * 1000) for _ in range(5)]
    journal = open_journal()
    for each in large:
        await journal.events.append([each])
    if reopen:
        await journal.close()
        journal = open_journal()
    position, readings = 0, []
    while entries := await journal.events.read(position, 100):
        position = entries[-1][0]
        readings.append(len(entries))
    assert sum(readings) == 5 and max(readings) <= 2


async def test_no_more_bytes_of_events_wait_for_the_disk_than_are_allowed(journal, monkeypatch):
    monkeypatch.setattr("bssci.journal.sqlite.events.MAX_APPENDING_BYTES", 5000)
    large = [StationStatus(at=1.0, base_station_eui=STATION, code=0, message="x" * 3000) for _ in range(2)]
    with HeldWriter(journal):
        alone = journal.events.append(large)
        with pytest.raises(JournalBusy, match="bytes of events wait"):
            await journal.events.append([online()])
    assert await alone == 1
    assert await journal.events.append([online()]) == 3
    with HeldWriter(journal):
        failing = journal.core.change(disk_full)
        with_it = journal.events.append(large)
    for each in (failing, with_it):
        with pytest.raises(StorageError):
            await each
    assert await journal.events.append(large) == 4


async def test_the_columns_say_what_the_body_says(journal):
    await journal.events.append(
        [uplink(3), SensorStatus(at=4.0, action="detached", end_point_eui=SENSOR, base_station_eui=STATION)]
    )
    query = "SELECT kind, end_point_eui, base_station_eui, packet_counter, at FROM event ORDER BY seq"
    assert await journal.core.read(lambda cursor: cursor.execute(query).fetchall()) == [
        ("uplink", SENSOR, STATION, 3, 1_700_000_000.0),
        ("sensor-status", SENSOR, STATION, None, 4.0),
    ]


async def test_memory_and_disk_give_the_same_answers(open_journal):
    ample = open_journal()
    for n in range(0, 60, 3):
        await ample.events.append([uplink(n), uplink(n + 1), uplink(n + 2)])
    questions = [(after, limit) for after in range(0, 62, 7) for limit in (1, 10, 100)]
    from_memory = [await ample.events.read(*question) for question in questions]
    assert ample.events.read(0, 10).called
    await ample.close()

    bare = open_journal(tail_bytes=0)
    assert not bare.events.read(0, 10).called
    assert [await bare.events.read(*question) for question in questions] == from_memory


async def test_the_tail_is_bounded_and_the_disk_has_the_rest(open_journal):
    journal = open_journal(tail_bytes=1000)
    for n in range(50):
        await journal.events.append([uplink(n)])
    assert journal.events.read(49, 10).called
    from_disk = journal.events.read(0, 100)
    assert not from_disk.called
    assert [event.packet_counter for _, event in await from_disk] == list(range(50))


async def test_an_event_is_readable_when_its_deferred_fires_and_not_before(journal):
    with HeldWriter(journal):
        stored = journal.events.append([online()])
        assert (journal.events.last_seq, await journal.events.read(0, 10)) == (0, [])
    assert await stored == 1
    assert (journal.events.last_seq, len(await journal.events.read(0, 10))) == (1, 1)


async def test_an_unreadable_event_is_passed_over(open_journal):
    journal = open_journal(tail_bytes=0)
    await journal.events.append([uplink(n) for n in range(4)])
    await journal.core.change(lambda cursor: cursor.execute("UPDATE event SET body = x'c1' WHERE seq <= 2"))
    assert [seq for seq, _ in await journal.events.read(0, 2)] == [3, 4]


async def test_subscribers_are_told_once_a_commit_and_only_of_events(journal):
    told = []
    unsubscribe = journal.events.subscribe(lambda: told.append(journal.events.last_seq))
    await journal.inbox.append([reception()], journal.sessions.mark(STATION, 1))
    assert told == []
    with HeldWriter(journal):
        waiting = [journal.events.append([uplink(n)]) for n in range(10)]
    await waiting[-1]
    await journal.settled()
    assert told == [10]
    unsubscribe()
    unsubscribe()
    await journal.events.append([online()])
    await journal.settled()
    assert told == [10]


async def test_a_subscriber_that_raises_harms_nobody(journal, expected_errors):
    told = []
    journal.events.subscribe(lambda: 1 / 0)
    journal.events.subscribe(lambda: told.append(1))
    await journal.events.append([online()])
    await journal.events.append([online()])
    await journal.settled()
    assert told == [1, 1]
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError] * 2
    expected_errors.clear()


async def test_retention_forgets_what_is_old_and_delivered(journal, open_journal):
    await journal.events.append([uplink(n, at=float(n)) for n in range(1, 2501)])
    await journal.events.append_late_copies([(1, reception()), (1, reception()), (2400, reception())])
    assert await journal.events.trim(before_at=2001.0, delivered_seq=1500) == 1500
    assert await journal.events.trim(before_at=2001.0, delivered_seq=2500) == 500
    assert await journal.core.read(count("event")) == 500
    assert await journal.core.read(count("late_copy")) == 1
    assert await journal.events.trim(before_at=9999.0, delivered_seq=9999) == 499
    await journal.close()
    reopened = open_journal()
    assert await reopened.events.append([online()]) == 2501


async def test_events_of_a_clock_that_was_ahead_keep_no_older_ones(journal):
    year = 365 * 86400.0
    await journal.events.append([uplink(n, at=5.0) for n in range(1500)])
    await journal.events.append([uplink(n, at=10 * year + n) for n in range(2500)])
    await journal.events.append([uplink(n, at=10.0 + n) for n in range(1500)])
    assert await journal.events.trim(before_at=7.0, delivered_seq=9999) == 1500
    assert journal.events.first_seq == 1501
    assert await journal.events.trim(before_at=510.0, delivered_seq=9999) == 500
    assert await journal.events.trim(before_at=1010.0, delivered_seq=9999) == 500
    assert await journal.core.read(count("event")) == 3000
    assert journal.events.first_seq == 1501


async def test_retention_lets_others_in_between_its_steps(journal):
    await journal.events.append([uplink(n, at=0.0) for n in range(3001)])
    order = []
    trimmed = journal.events.trim(1.0, 3001).addCallback(order.append)
    await journal.events.append([online()]).addCallback(lambda seq: order.append("event"))
    await trimmed
    assert order == ["event", 3000]


async def test_numbers_of_events_that_were_not_stored_are_given_again(journal, expected_errors):
    for _ in range(2):
        with HeldWriter(journal):
            refused = [journal.events.append([uplink(1), uplink(2)]), journal.events.append([online()])]
            full = journal.core.change(disk_full)
        for deferred in (*refused, full):
            with pytest.raises(StorageError):
                await deferred
    assert await journal.events.append([uplink(1), uplink(2)]) == 1
    assert await journal.events.append([online()]) == 3
    assert [seq for seq, _ in await journal.events.read(0, 10)] == [1, 2, 3]
    expected_errors.clear()


async def test_the_inbox_is_trimmed_with_the_events_that_it_became(journal):
    def inbox(cursor: sqlite3.Cursor) -> list[int]:
        return [row[0] for row in cursor.execute("SELECT position FROM reception_batch ORDER BY position")]

    positions = [
        await journal.inbox.append([reception(n)], journal.sessions.mark(STATION, n)) for n in range(4)
    ]
    await journal.events.append([uplink(1)], taken_before=positions[2])
    assert await journal.core.read(inbox) == positions[2:]
    await defer.gatherResults(
        [
            journal.events.append([], taken_before=positions[3] + 1),
            journal.events.append([online()]),
        ]
    )
    assert await journal.core.read(inbox) == []
    assert journal.events.last_seq == 2
