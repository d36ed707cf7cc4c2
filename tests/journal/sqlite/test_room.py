"""A full journal forgets what every sink has taken before it refuses anything."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bssci.journal import StorageError, StoredDownlink
from bssci.journal.sqlite import database, events, worker
from bssci.model import Downlink, DownlinkRequest, Uplink
from tests.support.journal import SENSOR, disk_full, online, uplink

SIZE = 1024 * 1024


def batch(first: int):
    return [uplink(n, payload=b"x" * 200) for n in range(first, first + 100)]


@pytest.fixture
def journal(open_journal, monkeypatch):
    monkeypatch.setattr(events, "ROOM", 300)
    monkeypatch.setattr(worker, "LOOK_INTERVAL", 0.0)
    return open_journal(max_bytes=SIZE, tail_bytes=0)


async def test_with_sinks_up_to_date_it_goes_on_for_ever(journal):
    journal.cursors.follow({"log": 0})
    for first in range(0, 10_000, 100):
        seq = await journal.events.append(batch(first))
        await journal.cursors.move("log", seq + 99)
    assert journal.statistics.failed_commits == 0
    assert journal.statistics.forgotten > 5000
    assert journal.core.database.path.stat().st_size <= SIZE
    usage = journal.usage()
    assert 0.9 * SIZE < usage.size <= usage.max_size == SIZE < usage.size + usage.log_size
    kept = await journal.events.read(0, 100_000)
    assert kept[-1][0] == 10_000 and kept[0][0] == journal.events.first_seq
    assert [seq for seq, _ in kept] == list(range(kept[0][0], 10_001))
    found = await journal.events.find_uplinks([(uplink().end_point_eui, n) for n in (0, 9_999)])
    assert [seq for seq, _ in found] == [10_000]


async def test_without_sinks_all_is_history(journal):
    journal.cursors.follow({})
    for first in range(0, 5_000, 100):
        await journal.events.append(batch(first))
    assert journal.statistics.failed_commits == 0


async def test_what_one_sink_has_yet_to_take_is_kept_and_the_newest_input_is_refused(journal):
    journal.cursors.follow({"log": 0, "slow": 0})
    stored = 0
    reason = r"cannot store or read: JOURNAL_MAX_SIZE=1 \(MB\) is reached, and all events are yet to be taken"
    with pytest.raises(StorageError, match=reason):
        for first in range(0, 10_000, 100):
            stored = await journal.events.append(batch(first)) + 99
            await journal.cursors.move("log", stored)
    kept = await journal.events.read(0, 100_000)
    assert [seq for seq, _ in kept] == list(range(1, stored + 1))
    assert journal.usage().share > 0.8
    await journal.cursors.move("slow", stored)
    assert await journal.events.append(batch(0)) == stored + 1


async def test_until_the_sinks_are_known_nothing_is_forgotten(journal):
    with pytest.raises(StorageError):
        for first in range(0, 10_000, 100):
            await journal.events.append(batch(first))
    assert (await journal.events.read(0, 1))[0][0] == 1


async def test_other_changes_find_room_too(journal):
    journal.cursors.follow({})
    for first in range(0, 3_000, 100):
        await journal.events.append(batch(first))
    for number in range(100):
        await journal.requests.receive("mqtt", "topic", b"x" * 3000, at=float(number))
    await journal.events.append([online()])
    assert journal.statistics.failed_commits == 0


async def test_answered_requests_are_history_too(journal):
    journal.cursors.follow({})
    open_one = await journal.requests.receive("mqtt", "other", b"x", at=0.0)
    for number in range(300):
        await journal.events.append([online(at=float(number))])
        request = await journal.requests.receive("mqtt", "topic", b"x" * 5000, at=float(number))
        await journal.requests.answer(request, "done", b"", at=float(number))
    assert journal.statistics.failed_commits == 0
    kept = await journal.requests.newest("mqtt", "topic", 1000)
    oldest = (await journal.events.read(0, 1))[0][1].at
    assert kept[0].received_at == 299.0 and kept[-1].received_at >= oldest > 30
    assert [each.number for each in await journal.requests.newest("mqtt", "other", 10)] == [open_one]


@pytest.mark.parametrize("delivered", [True, False])
async def test_answered_requests_leave_room_for_events_where_there_are_no_others_to_delete(
    journal, delivered
):
    journal.cursors.follow({} if delivered else {"mqtt": 0})
    await journal.events.append([online()])
    for number in range(300):
        request = await journal.requests.receive("mqtt", "topic", b"x" * 5000, at=float(number))
        await journal.requests.answer(request, "done", b"", at=float(number))
    await journal.events.append([uplink(1)])
    assert journal.statistics.failed_commits == 0
    assert [type(event) for _, event in await journal.events.read(0, 10)][-1] is Uplink


async def test_downlinks_that_ended_are_history_too(journal):
    journal.cursors.follow({})
    request = DownlinkRequest(end_point_eui=SENSOR, data=(b"x" * 5000,))
    for number in range(1, 300):
        ended = Downlink(queue_id=number, request=request, state="sent", created_at=0.0, changed_at=number)
        await journal.downlinks.store([StoredDownlink(downlink=ended)], [online(at=float(number))])
    assert journal.statistics.failed_commits == 0
    kept = [each.queue_id for each in await journal.downlinks.of_sensor(SENSOR, 1000)]
    assert kept[0] == 299 and kept[-1] > 30


async def test_the_oldest_number_is_true_though_making_room_fails(journal, monkeypatch):
    journal.cursors.follow({})
    for first in range(0, 1_000, 100):
        await journal.events.append(batch(first))
    monkeypatch.setattr(journal.core.writer, "check", lambda: disk_full(None))
    with pytest.raises(StorageError):
        await journal.events.append(batch(1_000))
    monkeypatch.undo()
    kept = await journal.events.read(0, 100_000)
    assert kept[0][0] == journal.events.first_seq == 1


async def test_a_full_disk_is_not_taken_for_a_full_journal(journal, monkeypatch):
    monkeypatch.setattr(database, "disk_usage", lambda path: SimpleNamespace(free=4096))
    with pytest.raises(StorageError, match="cannot store or read: the disk of .* is full"):
        await journal.core.change(disk_full)
