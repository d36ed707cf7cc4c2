"""What happened to downlinks: acknowledged, expired, told once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center.downlinks.plan import GRACE
from bssci.wire.messages import (
    DlDataRev,
    DlRxStat,
    DlRxStatQry,
    DlRxStatQryRsp,
    DlRxStatRsp,
)
from tests.center.downlinks.gateway import (
    SENSOR,
    DownlinkHouse,
    Gateway,
    gateway,
)
from tests.support.center import TESTER, result_of


def test_only_the_right_counter_acknowledges(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, counter=4)
    station.hear(6, dlAck=True)
    assert site.downlink(queue_id).state == "sent"
    station.hear(5, dlAck=False)
    assert site.downlink(queue_id).state == "sent"


def test_counters_roll_over(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, counter=0xFFFFFFFF)
    station.hear(0, dlAck=True)
    assert site.downlink(queue_id).state == "acknowledged"


def test_the_sensor_may_be_heard_before_the_result(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.hear(3, dlAck=True)
    station.result(queue_id, counter=2)
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]


def test_an_old_uplink_acknowledges_nothing_new(site: DownlinkHouse) -> None:
    station = gateway(site)
    station.hear(3, dlAck=True)
    site.advance(1)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, counter=2)
    assert site.downlink(queue_id).state == "sent"


def test_a_result_told_twice_counts_once(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    assert station.result(queue_id, counter=2)
    assert station.result(queue_id, counter=2)
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_it_expires_here(site: DownlinkHouse) -> None:
    queue_id = site.queue(expires_in=5.0)
    site.advance(4)
    assert site.downlink(queue_id).state == "queued"
    site.advance(3)
    assert site.statuses(queue_id) == ["queued", "expired"]


JUMPS = pytest.mark.parametrize("jump", [172_800.0, -172_800.0])


@JUMPS
@pytest.mark.parametrize("is_placed", [False, True])
def test_it_expires_after_its_time_though_the_clock_is_set(
    site: DownlinkHouse, jump: float, is_placed: bool
) -> None:
    station = Gateway(site)
    station.come()
    if is_placed:
        station.hear(1)
    queue_id = site.queue(expires_in=60.0)
    station.accept()
    site.advance(30, step=1)
    site.set_clock(jump)
    site.advance(25, step=1)
    station.forget()
    assert site.downlink(queue_id).state == "queued"
    assert site.downlink(queue_id).expires_at == pytest.approx(site.now() + 5, abs=1)
    site.advance(10, step=1)
    station.forget()
    assert site.downlink(queue_id).state == "expired"


@JUMPS
def test_a_clock_that_is_set_on_a_full_disk_is_followed_once_there_is_room(
    site: DownlinkHouse, jump: float
) -> None:
    queue_id = site.queue(expires_in=60.0)
    site.journal.broken = True
    site.set_clock(jump)
    site.advance(20, step=1)
    site.journal.broken = False
    site.advance(30, step=1)
    assert site.downlink(queue_id).state == "queued"
    site.advance(15, step=1)
    assert site.downlink(queue_id).state == "expired"


@JUMPS
def test_a_station_that_went_has_its_time_to_come_back_though_the_clock_is_set(
    two: tuple[Gateway, Gateway], jump: float
) -> None:
    best, other = two
    queue_id = best.house.queue()
    assert best.accept() == [queue_id]
    best.lose()
    best.house.set_clock(jump)
    best.house.advance(GRACE - 5, step=1)
    assert other.asked() == []
    best.house.advance(10, step=1)
    assert [request.queId for request in other.asked()] == [queue_id]


@JUMPS
def test_a_station_keeps_a_downlink_though_the_clock_is_set(site: DownlinkHouse, jump: float) -> None:
    station = gateway(site)
    site.queue()
    station.accept()
    site.set_clock(jump)
    site.advance(5, step=1)
    for priority in (1.0, 2.0):
        site.queue(priority=priority)
        station.accept()
        assert station.forget() == []
    assert len(station.held) == 3


@JUMPS
def test_a_repeated_attach_just_after_the_clock_was_set_is_noticed(site: DownlinkHouse, jump: float) -> None:
    station = gateway(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    site.advance(1.5)
    site.set_clock(jump)
    ensureDeferred(site.commands.attach([SENSOR], TESTER))
    site.settle()
    station.answer_attachments()
    site.advance(3, step=1)
    assert station.forget() == [queue_id]
    assert station.accept() == [queue_id]


def test_one_deep_in_the_queue_expires_too(site: DownlinkHouse) -> None:
    first = [site.queue() for _ in range(20)]
    last = site.queue(expires_in=5.0)
    site.advance(7)
    assert site.downlink(last).state == "expired"
    assert {site.downlink(queue_id).state for queue_id in first} == {"queued"}


def test_it_expires_at_the_station(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue(expires_in=5.0)
    station.accept()
    site.advance(7)
    assert station.forget() == [queue_id]
    assert site.statuses(queue_id) == ["queued", "expired"]
    assert station.take(DlDataRev) == []


def test_reception_status_is_kept_and_published(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, counter=2)
    asked = site.downlinks.query_reception(SENSOR)
    site.settle()
    (query,) = station.take(DlRxStatQry)
    assert query.epEui == int(SENSOR, 16)
    station.say(DlRxStatQryRsp(opId=query.opId))
    assert result_of(asked) == station.name
    station.op_id += 1
    station.say(
        DlRxStat(
            opId=station.op_id, epEui=int(SENSOR, 16), rxTime=1, packetCnt=3, dlRxSnr=4.5, dlRxRssi=-99.0
        )
    )
    assert len(station.take(DlRxStatRsp)) == 1
    (reception,) = site.receptions()
    assert (reception.queue_id, reception.snr, reception.rssi) == (queue_id, 4.5, -99.0)
    downlink = site.downlink(queue_id)
    assert (downlink.state, downlink.end_point_snr, downlink.end_point_rssi) == ("sent", 4.5, -99.0)


@pytest.mark.parametrize("is_placed", [False, True])
def test_it_expires_when_its_counters_have_passed(site: DownlinkHouse, is_placed: bool) -> None:
    station = Gateway(site)
    if is_placed:
        station.come()
        station.hear(5)
    queue_id = site.queue(b"\1", b"\2", packet_counters=(7, 9))
    later = site.queue(b"\1", packet_counters=(20,))
    if is_placed:
        assert station.accept() == [queue_id, later]
    else:
        station.come()
    station.hear(9)
    station.accept()
    assert site.downlink(queue_id).state == "queued"
    station.hear(10)
    assert station.forget() == [queue_id]
    assert site.downlink(queue_id).state == "expired"
    station.hear(20)
    station.hear(21)
    station.forget()
    assert site.downlink(later).state == "expired"
    assert site.downlinks._passes == {}


def test_one_for_counters_that_passed_goes_nowhere(site: DownlinkHouse) -> None:
    station = gateway(site, counter=601)
    queue_id = site.queue(b"\1", packet_counters=(100,))
    assert station.asked() == []
    assert site.downlink(queue_id).state == "expired"


def test_counters_pass_after_a_crash_too(site: DownlinkHouse) -> None:
    station = gateway(site, counter=1)
    queue_id = site.queue(b"\1", packet_counters=(3,))
    station.accept()
    site.crash()
    station = Gateway(site)
    station.come()
    station.hear(2)
    assert station.forget() == []
    station.hear(4)
    station.forget()
    assert site.downlink(queue_id).state == "expired"
