"""Downlinks, where they lie, and paths, over a restart."""

from __future__ import annotations

import pytest

from bssci.journal import Left, PathRecord, Registration, StorageError, StoredDownlink
from bssci.model import EUI, Downlink, DownlinkRequest, DownlinkStatus
from tests.support.journal import OTHER_STATION, SENSOR, STATION, HeldWriter

SECOND_SENSOR = EUI("FCA84A0300005678")


def stored(
    queue_id: int = 1,
    sensor: EUI = SENSOR,
    priority: float = 0.0,
    expect_only: bool = False,
    **changes: object,
) -> StoredDownlink:
    fields = {name: changes.pop(name) for name in ("place", "due_at", "then", "session") if name in changes}
    request = DownlinkRequest(
        end_point_eui=sensor, data=(b"\1\2",), priority=priority, expect_only=expect_only
    )
    changes = {"state": "queued", "created_at": 1.0} | changes
    return StoredDownlink(downlink=Downlink(queue_id=queue_id, request=request, **changes), **fields)


def status(queue_id: int = 1) -> DownlinkStatus:
    return DownlinkStatus(at=1.0, end_point_eui=SENSOR, queue_id=queue_id, status="queued")


async def picture(journal, **wanted):
    return await journal.downlinks.picture(limit=10, **wanted)


async def test_a_downlink_and_its_event_are_kept(open_journal):
    journal = open_journal()
    held = stored(state="queued", place="held", base_station_eui=STATION, session=b"s", due_at=5.0)
    await journal.downlinks.store([held], [status()])
    await journal.close()
    journal = open_journal()
    assert (await picture(journal, queue_ids=[1, 2])).named == {1: held}
    assert [event for _, event in await journal.events.read(0, 10)] == [status()]
    counts = (await journal.load()).downlinks
    assert (counts.queued, counts.sent, counts.stations, counts.last_queue_id) == (
        {SENSOR: 1},
        set(),
        {STATION},
        1,
    )


async def test_of_one_commit_the_last_word_counts(journal):
    with HeldWriter(journal):
        journal.downlinks.store([stored(place="asked", base_station_eui=STATION)], [])
        journal.downlinks.hold(1, STATION)
        journal.downlinks.store([stored(2, place="asked", base_station_eui=STATION)], [])
        journal.downlinks.store([stored(2, state="sent", packet_counter=7)], [])
        done = journal.downlinks.hold(2, STATION)
    await done
    found = (await picture(journal, queue_ids=[1, 2])).named
    assert found[1].place == "held"
    assert (found[2].place, found[2].downlink.state) == ("", "sent")


async def test_only_what_is_asked_of_that_station_is_held(journal):
    await journal.downlinks.store(
        [
            stored(1, place="asked", base_station_eui=OTHER_STATION),
            stored(2, place="revoking", base_station_eui=STATION),
        ],
        [],
    )
    await journal.downlinks.hold(1, STATION)
    await journal.downlinks.hold(2, STATION)
    found = (await picture(journal, queue_ids=[1, 2])).named
    assert [found[queue_id].place for queue_id in (1, 2)] == ["asked", "revoking"]


async def test_of_a_sensor_what_lies_at_stations_then_the_next_in_order(journal):
    rows = [stored(number, priority=float(number % 3)) for number in range(1, 30)]
    rows.append(stored(30, place="held", base_station_eui=STATION))
    rows.append(stored(31, SECOND_SENSOR))
    rows.append(stored(32, state="expired", priority=9.0))
    rows.append(stored(33, expect_only=True))
    await journal.downlinks.store(rows, [])
    queued = (await picture(journal, sensors=[SENSOR])).queued[SENSOR]
    assert [each.downlink.queue_id for each in queued] == [30, 2, 5, 8, 11, 14, 17, 33]


async def test_by_the_uplink_that_was_answered(journal):
    sent = stored(1, state="sent", packet_counter=7)
    await journal.downlinks.store([sent, stored(2, state="sent", packet_counter=8)], [])
    assert (await picture(journal, answered=[(SENSOR, 7), (SECOND_SENSOR, 8)])).named == {1: sent}


async def test_where_the_sensor_is_attached(journal):
    attached = Registration(end_point_eui=SENSOR, fingerprint=b"x", state="attached", at=4.0)
    refused = Registration(end_point_eui=SENSOR, fingerprint=b"x", state="refused", at=5.0)
    await journal.sessions.store_registrations(STATION, [attached])
    await journal.sessions.store_registrations(OTHER_STATION, [refused])
    assert (await picture(journal, sensors=[SENSOR])).attached_at == {(STATION, SENSOR): 4.0}


async def test_what_may_lie_somewhere(journal):
    here, there = Left(STATION, 1, SENSOR), Left(OTHER_STATION, 2, SECOND_SENSOR)
    await journal.downlinks.store([], [], left=[here, there])
    await journal.downlinks.store([], [], left=[here])
    assert (await picture(journal, sensors=[SENSOR], stations=[STATION])).left == [here]
    assert (await picture(journal, stations=[OTHER_STATION])).left == [there]
    await journal.downlinks.store([], [], not_left=[here])
    assert (await picture(journal, sensors=[SENSOR])).left == []


async def test_what_is_due_the_earliest_first(journal):
    rows = [stored(1, due_at=9.0), stored(2, due_at=3.0), stored(3), stored(4, due_at=20.0)]
    rows.append(stored(5, state="revoked", due_at=1.0))
    await journal.downlinks.store(rows, [])
    assert await journal.downlinks.due(10.0, 10) == [(2, SENSOR), (1, SENSOR)]
    assert await journal.downlinks.due(10.0, 1) == [(2, SENSOR)]


async def test_sensors_with_downlinks_at_a_station(journal):
    await journal.downlinks.store(
        [
            stored(1, place="held", base_station_eui=STATION),
            stored(2, place="asked", base_station_eui=STATION),
            stored(3, SECOND_SENSOR, state="sent", base_station_eui=STATION),
        ],
        [],
    )
    assert await journal.downlinks.sensors_at(STATION) == [SENSOR]


async def test_the_newest_of_a_sensor_first(journal):
    await journal.downlinks.store([stored(number) for number in range(1, 6)], [])
    assert [downlink.queue_id for downlink in await journal.downlinks.of_sensor(SENSOR, 3)] == [5, 4, 3]


async def test_downlinks_without_an_acknowledgement_are_found(journal):
    await journal.downlinks.store(
        [
            stored(1, state="sent", changed_at=5.0),
            stored(2, state="sent", changed_at=15.0),
            stored(3, state="acknowledged", changed_at=16.0),
        ],
        [],
    )
    assert [downlink.queue_id for downlink in await journal.downlinks.unacknowledged(10.0, 9)] == [2]


async def test_old_ones_are_forgotten_but_never_the_newest(journal):
    await journal.downlinks.store(
        [stored(1, state="sent", changed_at=5.0), stored(2), stored(3, state="revoked", changed_at=5.0)], []
    )
    assert await journal.downlinks.trim(10.0) == 1
    assert (await journal.load()).downlinks.last_queue_id == 3
    assert [downlink.queue_id for downlink in await journal.downlinks.of_sensor(SENSOR, 9)] == [3, 2]


async def test_times_of_stations_may_be_beyond_what_sqlite_counts(journal):
    sent = stored(1, state="sent", tx_time=(1 << 64) - 1)
    await journal.downlinks.store([sent], [])
    assert (await picture(journal, queue_ids=[1])).named == {1: sent}


async def test_one_that_cannot_be_read_is_passed_over(journal):
    await journal.downlinks.store([stored(1), stored(2)], [])
    await journal.core.change(
        lambda cursor: cursor.execute("UPDATE downlink SET body = x'c1' WHERE queue_id = 1")
    )
    found = await picture(journal, queue_ids=[1, 2], sensors=[SENSOR])
    assert list(found.named) == [2]
    assert [each.downlink.queue_id for each in found.queued[SENSOR]] == [2]
    assert [downlink.queue_id for downlink in await journal.downlinks.of_sensor(SENSOR, 9)] == [2]


async def test_a_closed_journal_says_so(journal):
    await journal.close()
    with pytest.raises(StorageError):
        await journal.downlinks.store([stored()], [status()])


async def test_the_searches_use_an_index(journal):
    """Each would else look at every downlink there is."""
    queries = [
        "SELECT body FROM downlink WHERE state = 'queued' AND end_point_eui = 'x' "
        "AND place = '' AND bound = 0 ORDER BY priority DESC, queue_id LIMIT 8",
        "SELECT body FROM downlink WHERE state = 'queued' AND due_at IS NOT NULL AND due_at <= 1 "
        "ORDER BY due_at LIMIT 8",
        "SELECT DISTINCT end_point_eui FROM downlink WHERE state = 'queued' AND place <> '' "
        "AND base_station_eui = 'x'",
        "SELECT body FROM downlink WHERE end_point_eui = 'x' AND packet_counter = 1",
        "SELECT body FROM downlink WHERE end_point_eui = 'x' ORDER BY queue_id DESC LIMIT 8",
    ]
    for query in queries:
        explain = f"EXPLAIN QUERY PLAN {query}"
        plan = await journal.core.read(lambda cursor, explain=explain: cursor.execute(explain).fetchall())
        text = " ".join(row[3] for row in plan)
        assert "USING" in text and "INDEX" in text and "SCAN" not in text, (query, text)


def path(eui: EUI, body: bytes) -> PathRecord:
    return PathRecord(end_point_eui=eui, body=body)


async def test_paths_are_kept_until_they_are_forgotten(open_journal):
    journal = open_journal()
    with HeldWriter(journal):
        journal.tables.put([path(SENSOR, b"1"), path(SECOND_SENSOR, b"1")])
        done = journal.tables.apply(PathRecord, {SENSOR: path(SENSOR, b"2"), SECOND_SENSOR: None})
    await done
    await journal.close()
    assert (await open_journal().load()).paths == {SENSOR: path(SENSOR, b"2")}
