"""The keys of uplinks: found while they wait in memory, on their way to disk, and there."""

from __future__ import annotations

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from bssci.journal.errors import StorageError
from bssci.journal.sqlite import events, uplink_keys
from bssci.model import EUI
from tests.support.journal import SENSOR, HeldWriter, disk_full, online, uplink
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

OTHER = EUI("FCA84A0300005678")


@pytest.fixture(autouse=True)
def few_in_memory(monkeypatch):
    monkeypatch.setattr(events, "KEYS_IN_MEMORY", 10)
    monkeypatch.setattr(uplink_keys, "SLICE", 4)


def on_disk(journal):
    return journal.core.read(lambda cursor: cursor.execute("SELECT COUNT(*) FROM uplink_key").fetchone()[0])


async def settle(journal):
    """Until no keys are on their way to disk."""
    await journal.settled()
    while journal.events.keys_leaving:
        await journal.settled()


async def seqs(journal, *keys):
    return [seq for seq, _ in await journal.events.find_uplinks(list(keys))]


async def test_they_go_to_disk_many_at_a_time(journal):
    await journal.events.append([uplink(n) for n in range(9)])
    assert await on_disk(journal) == 0
    await journal.events.append([online(), uplink(9), uplink(1, OTHER)])
    await settle(journal)
    assert await on_disk(journal) == 11
    assert journal.keys.waiting == journal.keys.leaving == {}


async def test_they_are_found_wherever_they_are(journal):
    expected = {}
    for n in range(35):
        expected[n] = await journal.events.append([uplink(n), uplink(n, OTHER)])
        for counter in (0, n // 2, n):
            assert await seqs(journal, (SENSOR, counter)) == [expected[counter]]
            assert await seqs(journal, (OTHER, counter)) == [expected[counter] + 1]
    assert await on_disk(journal) > 0
    assert await seqs(journal, (SENSOR, 99)) == []


async def test_the_same_counter_again_is_found_twice(journal):
    await journal.events.append([uplink(n) for n in range(12)])
    await settle(journal)
    await journal.events.append([uplink(3, payload=b"other")])
    assert await seqs(journal, (SENSOR, 3)) == [4, 13]


async def test_a_sensors_newest_uplinks_page_by_page(journal):
    for n in range(25):
        await journal.events.append([uplink(n), online()])
    await settle(journal)
    first = [seq for seq, _ in await journal.history.uplinks_of_sensor(SENSOR, before=None, limit=10)]
    assert first == list(range(49, 29, -2))
    further = await journal.history.uplinks_of_sensor(SENSOR, before=first[-1], limit=3)
    assert [seq for seq, _ in further] == [29, 27, 25]
    assert await journal.history.uplinks_of_sensor(OTHER, before=None, limit=3) == []


async def test_what_waits_is_known_again_after_a_restart(journal, open_journal):
    await journal.events.append([uplink(n) for n in range(12)])
    await settle(journal)
    await journal.events.append([uplink(n) for n in range(12, 15)])
    await journal.close()
    reopened = open_journal()
    assert await seqs(reopened, (SENSOR, 5), (SENSOR, 14)) == [6, 15]
    assert sum(len(waiting) for waiting in reopened.keys.waiting.values()) == 3


async def test_a_stop_while_they_are_on_their_way_is_no_fault(journal, open_journal, monkeypatch, log_lines):
    under_way, write = Deferred(), uplink_keys.UplinkKeys.write

    def write_and_close(self, cursor, position):
        if not position:
            reactor.callFromThread(lambda: journal.close().chainDeferred(under_way))
        return write(self, cursor, position)

    monkeypatch.setattr(uplink_keys, "SLICE", 1)
    monkeypatch.setattr(uplink_keys.UplinkKeys, "write", write_and_close)
    await journal.events.append([uplink(n) for n in range(12)])
    await under_way
    assert [line for line in log_lines if "index" in line and "still in memory" in line] == []
    monkeypatch.undo()
    assert await seqs(open_journal(), *[(SENSOR, n) for n in range(12)]) == list(range(1, 13))


async def test_a_disk_that_fails_on_the_way_loses_no_key(journal, monkeypatch, expected_errors):
    def full(self, cursor, position):
        if position:
            raise StorageError("full")
        return uplink_keys.SLICE

    monkeypatch.setattr(uplink_keys.UplinkKeys, "write", full)
    await journal.events.append([uplink(n) for n in range(12)])
    await settle(journal)
    assert await seqs(journal, *[(SENSOR, n) for n in range(12)]) == list(range(1, 13))
    monkeypatch.undo()
    monkeypatch.setattr(events, "KEYS_IN_MEMORY", 10)
    await journal.events.append([uplink(n) for n in range(12, 24)])
    await settle(journal)
    assert await seqs(journal, *[(SENSOR, n) for n in range(24)]) == list(range(1, 25))
    expected_errors.clear()


async def test_an_error_of_ours_does_not_keep_all_later_ones_in_memory(journal, monkeypatch, expected_errors):
    def wrong(self, cursor, position):
        raise TypeError("ours")

    monkeypatch.setattr(uplink_keys.UplinkKeys, "write", wrong)
    await journal.events.append([uplink(n) for n in range(12)])
    await settle(journal)
    assert isinstance(expected_errors.pop().value, TypeError)
    monkeypatch.undo()
    monkeypatch.setattr(events, "KEYS_IN_MEMORY", 10)
    await journal.events.append([uplink(n) for n in range(12, 24)])
    await settle(journal)
    assert await on_disk(journal) == 24


async def test_keys_that_are_on_disk_twice_hide_no_uplink(journal):
    await journal.events.append([uplink(n) for n in range(12)])
    await settle(journal)
    twice = (
        "INSERT INTO uplink_key (end_point_eui, packet_counter, seq) "
        "SELECT end_point_eui, packet_counter, seq FROM uplink_key"
    )
    await journal.core.change(lambda cursor: cursor.execute(twice) and None)
    found = await journal.history.uplinks_of_sensor(SENSOR, before=None, limit=6)
    assert [seq for seq, _ in found] == [12, 11, 10, 9, 8, 7]


async def test_those_of_uplinks_that_are_not_stored_are_not_kept(journal, expected_errors):
    await journal.events.append([uplink(1), uplink(1, OTHER)])
    before = {eui: list(keys) for eui, keys in journal.keys.waiting.items()}
    for _ in range(3):
        with HeldWriter(journal):
            stored = journal.events.append([uplink(2), uplink(3)])
            full = journal.core.change(disk_full)
        for deferred in (stored, full):
            with pytest.raises(StorageError):
                await deferred
    assert journal.keys.waiting == before
    expected_errors.clear()


async def test_those_on_their_way_to_disk_when_it_fails_are_not_kept_either(journal, expected_errors):
    await journal.events.append([uplink(1)])
    with HeldWriter(journal):
        stored = journal.events.append([uplink(2), uplink(1, OTHER)])
        leaving = journal.core.change(lambda cursor: journal.keys.begin())
        again = journal.events.append([uplink(3)])
        full = journal.core.change(disk_full)
    for deferred in (stored, leaving, again, full):
        with pytest.raises(StorageError):
            await deferred
    assert (journal.keys.waiting, journal.keys.leaving) == ({}, {SENSOR: [(1, 1)]})
    assert await seqs(journal, (SENSOR, 1), (SENSOR, 2), (SENSOR, 3), (OTHER, 1)) == [1]
    expected_errors.clear()


async def test_they_are_forgotten_with_their_uplinks(journal):
    await journal.events.append([uplink(n, at=float(n)) for n in range(12)])
    await settle(journal)
    assert await journal.events.trim(before_at=8.0, delivered_seq=99) == 8
    assert await on_disk(journal) == 4
    assert await seqs(journal, (SENSOR, 3), (SENSOR, 9)) == [10]


async def test_keys_of_uplinks_that_are_gone_do_not_go_to_disk(journal):
    await journal.events.append([uplink(n, at=0.0) for n in range(8)])
    await journal.events.append([online(at=99.0)])
    await journal.events.trim(before_at=1.0, delivered_seq=99)
    await journal.events.append([uplink(20), uplink(21)])
    await settle(journal)
    assert await on_disk(journal) == 2
