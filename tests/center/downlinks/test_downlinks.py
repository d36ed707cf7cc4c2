"""Downlinks: queued, placed, sent, acknowledged, revoked, expired, refused."""

from __future__ import annotations

import pytest

from bssci.model import DownlinkRequest
from bssci.model.commands import CommandError
from bssci.wire.messages import (
    DlDataQue,
    DlDataRev,
    DlRxStat,
    DlRxStatQry,
    DlRxStatQryRsp,
    DlRxStatRsp,
    Error,
)
from tests.support.center import result_of, sensor_eui
from tests.support.downlinks import (
    OTHER_STATION,
    SENSOR,
    DownlinkHouse,
    Gateway,
    gateway,
    make_site,
    site,
)

__all__ = ["make_site", "site"]


def test_a_downlink_goes_all_the_way(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue(b"\1\2", ref="mine", priority=2.0, response_expected=True)
    (request,) = station.asked()
    assert request == DlDataQue(
        opId=request.opId,
        epEui=int(SENSOR, 16),
        queId=queue_id,
        cntDepend=False,
        userData=[[1, 2]],
        prio=2.0,
        responseExp=True,
    )
    station.sent = [request]
    station.accept()
    assert station.result(queue_id, counter=2)
    station.hear(3, dlAck=True)
    downlink = site.downlink(queue_id)
    assert (downlink.state, downlink.packet_counter, downlink.base_station_eui) == (
        "acknowledged",
        2,
        station.name,
    )
    assert downlink.tx_time == 1_700_000_000_000_000_000
    assert site.statuses(queue_id) == ["queued", "sent", "acknowledged"]
    assert site.downlinks.statistics() == {"queued": 0, "sent": 1, "acknowledged": 1}
    assert {event.ref for _, event in site.events if getattr(event, "queue_id", 0) == queue_id} == {"mine"}


def test_an_acknowledgement_alone_has_no_entry_of_data(site: DownlinkHouse) -> None:
    station = gateway(site)
    site.queue(data=())
    site.queue(b"", priority=1.0)
    assert [request.userData for request in station.asked()] == [[], []]


def test_each_counter_has_its_data(site: DownlinkHouse) -> None:
    station = gateway(site)
    site.queue(b"\1", b"\2", packet_counters=(7, 9))
    (request,) = station.asked()
    assert (request.cntDepend, request.packetCnt, request.userData) == (True, [7, 9], [[1], [2]])


def test_the_queue_operation_waits_for_the_disk(site: DownlinkHouse) -> None:
    station = gateway(site)
    queued = site.downlinks.queue(DownlinkRequest(end_point_eui=SENSOR, data=(b"x",)))
    assert not queued.called
    assert station.asked() == []
    site.settle()
    assert result_of(queued).state == "queued"


def test_without_a_disk_nothing_is_queued(site: DownlinkHouse) -> None:
    gateway(site)
    site.journal.broken = True
    queued = site.downlinks.queue(DownlinkRequest(end_point_eui=SENSOR, data=(b"x",)))
    site.settle()
    with pytest.raises(CommandError) as error:
        result_of(queued)
    assert error.value.code == "unavailable"
    site.journal.broken = False
    site.advance(2)
    assert site.queue() == 2
    assert site.downlinks.statistics() == {"queued": 1}


def test_a_result_that_cannot_be_stored_is_told_again(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    site.journal.broken = True
    assert not station.result(queue_id)
    assert [error.code for error in station.take(Error)] == [11]
    site.journal.broken = False
    site.advance(2)
    assert station.result(queue_id)
    assert site.downlink(queue_id).state == "sent"


def test_a_refused_downlink_has_failed(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.refuse(22)
    assert site.downlink(queue_id).message == f"base station {station.name}: 22 no"
    assert site.statuses(queue_id) == ["queued", "failed"]
    assert station.asked() == []


def test_a_station_says_invalid(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, "invalid")
    assert site.statuses(queue_id) == ["queued", "invalid"]


# acknowledgements


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


def test_results_that_are_not_ours_are_taken_and_forgotten(site: DownlinkHouse) -> None:
    station = gateway(site)
    assert station.result((1 << 64) - 1)
    assert station.result(4711)


# revoking and expiry


def test_revoked_while_it_waits_here(site: DownlinkHouse) -> None:
    queue_id = site.queue()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    assert result_of(revoked).state == "revoked"
    station = gateway(site)
    assert station.asked() == []
    assert site.statuses(queue_id) == ["queued", "revoked"]


@pytest.mark.parametrize("unknown", [None, 2, 95])
def test_revoked_at_the_station(site: DownlinkHouse, unknown: int | None) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    ends = []
    site.downlinks.revoke(SENSOR, queue_id).addCallback(lambda downlink: ends.append(downlink.state))
    site.settle()
    assert ends == []
    if unknown is not None:
        station.held.clear()
    assert station.forget(unknown or 0) == [queue_id]
    assert ends == ["revoked"]
    assert site.statuses(queue_id) == ["queued", "revoked"]


def test_what_was_sent_before_it_was_revoked_was_sent(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    station.result(queue_id, counter=2)
    assert result_of(revoked).state == "sent"
    station.forget()
    assert site.statuses(queue_id) == ["queued", "sent"]


def test_who_revokes_does_not_wait_for_ever(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.advance(11)
    assert result_of(revoked).state == "queued"
    station.forget()
    assert site.downlink(queue_id).state == "revoked"


def test_what_cannot_be_revoked(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id)
    for sensor, which, code in (
        (SENSOR, queue_id, "conflict"),
        (SENSOR, 99, "unknown_downlink"),
        (SENSOR, -1, "unknown_downlink"),
        (SENSOR, 1 << 70, "unknown_downlink"),
        (sensor_eui(2), queue_id, "unknown_downlink"),
    ):
        revoked = site.downlinks.revoke(sensor, which)
        site.settle()
        with pytest.raises(CommandError) as error:
            result_of(revoked)
        assert (error.value.code, error.value.field) == (code, "queue_id")


def test_it_expires_here(site: DownlinkHouse) -> None:
    queue_id = site.queue(expires_in=5.0)
    site.advance(4)
    assert site.downlink(queue_id).state == "queued"
    site.advance(3)
    assert site.statuses(queue_id) == ["queued", "expired"]


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


# reception status


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


def test_a_query_goes_to_a_station_that_can_send(site: DownlinkHouse) -> None:
    deaf, other = gateway(site, bidi=False), Gateway(site, OTHER_STATION)
    other.come()
    other.hear(2, snr=1.0)
    site.downlinks.query_reception(SENSOR)
    site.settle()
    assert deaf.take(DlRxStatQry) == []
    assert len(other.take(DlRxStatQry)) == 1


def test_a_query_needs_a_station_that_agrees(site: DownlinkHouse) -> None:
    def failure() -> str:
        with pytest.raises(CommandError) as error:
            result_of(asked)
        return error.value.code

    asked = site.downlinks.query_reception(SENSOR)
    assert failure() == "unavailable"
    station = gateway(site)
    asked = site.downlinks.query_reception(SENSOR)
    site.settle()
    (query,) = station.take(DlRxStatQry)
    station.say(Error(opId=query.opId, code=95, message="no"))
    assert failure() == "unavailable"
    asked = site.downlinks.query_reception(SENSOR)
    site.advance(11)
    assert failure() == "unavailable"


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


# what is refused


def test_a_queue_is_bounded(site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.downlinks.downlinks.MAX_QUEUED_OF_SENSOR", 2)
    site.queue()
    site.queue()
    with pytest.raises(CommandError) as error:
        site.queue()
    assert error.value.code == "busy"
    site.queue(sensor=sensor_eui(2))


def test_a_service_that_stops_takes_nothing_more(site: DownlinkHouse) -> None:
    site.queue()
    stopped = site.downlinks.stop()
    site.settle()
    result_of(stopped)
    with pytest.raises(CommandError) as error:
        site.queue()
    assert error.value.code == "unavailable"
    assert site.journal.kept().downlinks.queued == {SENSOR: 1}
