"""The inbox: what is acknowledged is there after a restart, and no more waits than is allowed."""

from __future__ import annotations

import pytest

from bssci.journal import JournalBusy
from tests.support.journal import OTHER_STATION, STATION, HeldWriter, reception


async def test_receptions_come_back_in_order_with_their_positions(open_journal):
    journal = open_journal()
    with HeldWriter(journal):
        first = journal.inbox.append([reception(1), reception(2)], journal.sessions.mark(STATION, 1))
        second = journal.inbox.append(
            [reception(1, station=OTHER_STATION)], journal.sessions.mark(OTHER_STATION, 1)
        )
    assert (await first, await second) == (1, 2)
    assert await journal.inbox.append([reception(3)], journal.sessions.mark(STATION, 2)) == 3
    expected = [
        (2, [reception(1), reception(2), reception(1, station=OTHER_STATION)]),
        (3, [reception(3)]),
    ]
    assert (await journal.load()).receptions == tuple(expected)
    await journal.close()

    reopened = open_journal()
    assert (await reopened.load()).receptions == tuple(expected)
    assert await reopened.inbox.append([reception(4)], journal.sessions.mark(STATION, 3)) == 4


async def test_an_unreadable_entry_is_passed_over(journal):
    await journal.inbox.append([reception(1)], journal.sessions.mark(STATION, 1))
    await journal.inbox.append([reception(2)], journal.sessions.mark(STATION, 2))
    await journal.core.change(
        lambda cursor: cursor.execute("UPDATE reception_batch SET body = x'c1' WHERE position = 1")
    )
    assert (await journal.load()).receptions == ((2, [reception(2)]),)


async def test_no_more_waits_for_the_disk_than_is_allowed(open_journal):
    journal = open_journal(max_pending=10)
    with HeldWriter(journal):
        taken = journal.inbox.append([reception(n) for n in range(8)], journal.sessions.mark(STATION, 1))
        refused = journal.inbox.append([reception(n) for n in range(3)], journal.sessions.mark(STATION, 2))
        with pytest.raises(JournalBusy):
            await refused
        fits = journal.inbox.append([reception(n) for n in range(2)], journal.sessions.mark(STATION, 3))
        assert journal.inbox.pending == 10
    assert (await taken, await fits) == (1, 2)
    await journal.inbox.append([reception(n) for n in range(10)], journal.sessions.mark(STATION, 4))


async def test_no_more_bytes_wait_for_the_disk_than_are_allowed(open_journal, monkeypatch):
    monkeypatch.setattr("bssci.journal.sqlite.inbox.MAX_PENDING_BYTES", 5000)
    journal = open_journal()
    large = [reception(1, payload=bytes(3000))]
    with HeldWriter(journal):
        taken = journal.inbox.append(large, journal.sessions.mark(STATION, 1))
        with pytest.raises(JournalBusy, match="bytes wait"):
            await journal.inbox.append(large, journal.sessions.mark(STATION, 2))
        fits = journal.inbox.append([reception(2)], journal.sessions.mark(STATION, 2))
    assert (await taken, await fits) == (1, 2)
    assert await journal.inbox.append(large, journal.sessions.mark(STATION, 3)) == 3
