"""The inbox: what is acknowledged is there after a restart, and no more waits than is allowed."""

from __future__ import annotations

import pytest

from bssci.journal import JournalBusy
from tests.support.journal import OTHER_STATION, STATION, HeldWriter, reception


async def test_receptions_come_back_in_order_with_their_positions(open_journal):
    journal = open_journal()
    with HeldWriter(journal):
        first = journal.append_receptions(STATION, 1, [reception(1), reception(2)])
        second = journal.append_receptions(OTHER_STATION, 1, [reception(1, station=OTHER_STATION)])
    assert (await first, await second) == (1, 2)
    assert await journal.append_receptions(STATION, 2, [reception(3)]) == 3
    expected = [
        (2, [reception(1), reception(2), reception(1, station=OTHER_STATION)]),
        (3, [reception(3)]),
    ]
    assert journal.open_receptions() == expected
    await journal.close()

    reopened = open_journal()
    assert reopened.open_receptions() == expected
    assert await reopened.append_receptions(STATION, 3, [reception(4)]) == 4


async def test_an_unreadable_entry_is_passed_over(journal):
    await journal.append_receptions(STATION, 1, [reception(1)])
    await journal.append_receptions(STATION, 2, [reception(2)])
    await journal.write(
        lambda cursor: cursor.execute("UPDATE reception_batch SET body = x'c1' WHERE position = 1")
    )
    assert journal.open_receptions() == [(2, [reception(2)])]


async def test_no_more_waits_for_the_disk_than_is_allowed(open_journal):
    journal = open_journal(max_pending=10)
    with HeldWriter(journal):
        taken = journal.append_receptions(STATION, 1, [reception(n) for n in range(8)])
        refused = journal.append_receptions(STATION, 2, [reception(n) for n in range(3)])
        with pytest.raises(JournalBusy):
            await refused
        fits = journal.append_receptions(STATION, 3, [reception(n) for n in range(2)])
        assert journal.pending == 10
    assert (await taken, await fits) == (1, 2)
    await journal.append_receptions(STATION, 4, [reception(n) for n in range(10)])
