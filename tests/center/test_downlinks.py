"""Downlinks: queued, placed, sent, acknowledged, revoked, expired, refused."""

from __future__ import annotations

import pytest

from bssci.center.downlink_plan import UNKNOWN_THERE_WAIT
from bssci.center.downlink_worker import REFUSING
from bssci.center.errors import CommandError
from bssci.model import DownlinkRequest
from bssci.wire.messages import (
    AttPrp,
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
    ONE_WAY_SENSOR,
    OTHER_STATION,
    SENSOR,
    DownlinkHouse,
    Gateway,
    make_site,
    site,
)

__all__ = ["make_site", "site"]


def gateway(site: DownlinkHouse, counter: int = 1, **options: bool) -> Gateway:
    """A base station that hears the sensor."""
    gateway = Gateway(site)
    gateway.come(**options)
    gateway.hear(counter)
    return gateway


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


# held until a station can take it


def test_it_waits_for_a_station_that_hears_the_sensor(site: DownlinkHouse) -> None:
    queue_id = site.queue()
    station = Gateway(site)
    station.come()
    assert station.asked() == []
    station.hear(1)
    assert station.accept() == [queue_id]


def test_it_waits_for_a_station_that_can_send(site: DownlinkHouse) -> None:
    station = gateway(site, bidi=False)
    queue_id = site.queue()
    assert station.asked() == []
    station.lose()
    station.come(bidi=True)
    assert station.accept() == [queue_id]


def test_another_station_that_begins_to_hear_it_and_can_send_gets_it(site: DownlinkHouse) -> None:
    deaf, other = gateway(site, bidi=False), Gateway(site, OTHER_STATION)
    other.come()
    queue_id = site.queue()
    assert other.asked() == []
    other.hear(2, snr=9.0)
    assert deaf.asked() == []
    assert other.accept() == [queue_id]


def test_another_station_gets_it_while_the_preferred_one_is_gone(site: DownlinkHouse) -> None:
    gone, other = gateway(site), Gateway(site, OTHER_STATION)
    other.come()
    gone.lose()
    queue_id = site.queue()
    other.hear(2, snr=1.0)
    assert other.accept() == [queue_id]


def test_it_waits_until_the_sensor_is_attached(site: DownlinkHouse) -> None:
    station = gateway(site)
    station.lose()
    queue_id = site.queue()
    station.answer_attachments = lambda: None  # type: ignore[method-assign]
    station.come(fresh=True)
    assert station.asked() == []
    Gateway.answer_attachments(station)
    assert station.accept() == [queue_id]


def test_the_preferred_station_gets_it(site: DownlinkHouse) -> None:
    far, near = Gateway(site), Gateway(site, OTHER_STATION)
    far.come()
    near.come()
    far.hear(1, snr=2.0)
    near.hear(2, snr=12.0)
    queue_id = site.queue()
    assert far.asked() == []
    assert near.accept() == [queue_id]


def test_a_better_path_takes_it_over_after_the_other_gave_it_back(site: DownlinkHouse) -> None:
    first, second = Gateway(site), Gateway(site, OTHER_STATION)
    first.come()
    second.come()
    first.hear(1, snr=5.0)
    queue_id = site.queue()
    first.accept()
    second.hear(2, snr=15.0)
    assert second.asked() == []
    assert first.forget() == [queue_id]
    assert second.accept() == [queue_id]
    assert site.statuses(queue_id) == ["queued"]


def test_in_order_one_at_a_time(site: DownlinkHouse) -> None:
    station = gateway(site)
    first, second, third = site.queue(), site.queue(), site.queue()
    assert station.accept() == [first]
    station.result(first, counter=2)
    assert station.accept() == [second]
    station.result(second, "expired")
    assert station.accept() == [third]
    assert site.downlink(second).state == "expired"


def test_a_higher_priority_overtakes(site: DownlinkHouse) -> None:
    low, high, higher = site.queue(), site.queue(priority=1.0), site.queue(priority=2.0)
    station = gateway(site)
    assert station.accept() == [higher]
    urgent = site.queue(priority=3.0)
    assert station.accept() == [urgent]
    station.result(urgent)
    assert station.accept() == []
    station.result(higher)
    assert station.accept() == [high]
    station.result(high)
    assert station.accept() == [low]


def test_those_for_certain_uplinks_do_not_hold_up_others(site: DownlinkHouse) -> None:
    station = gateway(site)
    bound = site.queue(b"x", packet_counters=(100,))
    expected = site.queue(expect_only=True)
    any_time = site.queue()
    later = site.queue()
    assert station.accept() == [bound, expected, any_time]
    station.result(any_time)
    assert station.accept() == [later]


def test_many_for_certain_uplinks_do_not_hold_up_others(site: DownlinkHouse) -> None:
    station = gateway(site)
    bound = [site.queue(b"x", packet_counters=(number,), priority=1.0) for number in range(100, 120)]
    any_time = site.queue()
    assert station.accept() == [*bound[:4], any_time]
    station.result(bound[0], "expired")
    assert station.accept() == [bound[4]]


def test_a_sensor_that_is_removed_loses_its_downlinks(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_ids = [site.queue() for _ in range(20)]
    station.accept()
    site.center.sensors._by_eui.pop(SENSOR)
    site.downlinks.reconfigured([SENSOR])
    site.settle()
    assert station.forget() == queue_ids[:1]
    assert {site.downlink(queue_id).state for queue_id in queue_ids} == {"revoked"}
    assert site.downlinks.statistics() == {"queued": 0, "revoked": 20}


def test_a_busy_station_is_asked_again_later(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.refuse(11)
    assert station.asked() == []
    site.advance(7)
    assert station.accept() == [queue_id]


@pytest.fixture
def two(site: DownlinkHouse) -> tuple[Gateway, Gateway]:
    """The preferred station, and another one that hears the sensor."""
    best, other = Gateway(site), Gateway(site, OTHER_STATION)
    best.come()
    other.come()
    best.hear(1, snr=15.0)
    other.hear(2, snr=5.0)
    return best, other


def test_what_a_busy_station_does_not_take_goes_to_another(
    site: DownlinkHouse, two: tuple[Gateway, Gateway]
) -> None:
    best, other = two
    held = site.queue()
    assert best.accept() == [held]
    refused = site.queue(priority=1.0)
    best.refuse(11)
    assert other.accept() == [refused]
    site.advance(30)
    site.queue(priority=-1.0)
    assert best.forget() + other.forget() + best.asked() == []
    assert site.statuses(refused) == ["queued"]


def test_a_station_that_was_busy_is_trusted_again(site: DownlinkHouse, two: tuple[Gateway, Gateway]) -> None:
    best, other = two
    site.queue()
    best.refuse(11)
    assert len(other.accept()) == 1
    site.advance(REFUSING + 2)
    queue_id = site.queue(priority=1.0)
    assert other.forget() and best.accept()[0] == queue_id


def test_a_station_that_does_not_know_the_sensor_is_told_of_it_again(
    site: DownlinkHouse, two: tuple[Gateway, Gateway]
) -> None:
    best, other = two
    queue_id = site.queue()
    best.refuse(2)
    assert [request.epEui for request in best.take(AttPrp)] == [int(SENSOR, 16)]
    assert other.accept() == [queue_id]


def test_the_only_station_that_does_not_know_the_sensor_is_asked_again_later(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.refuse(2)
    station.answer_attachments()
    assert station.asked() == []
    site.advance(UNKNOWN_THERE_WAIT + 2)
    assert station.accept() == [queue_id]


def test_a_station_that_sends_nothing_is_passed_over(site: DownlinkHouse) -> None:
    best, other = Gateway(site), Gateway(site, OTHER_STATION)
    best.come()
    other.come()
    best.hear(1, snr=15.0)
    other.hear(2, snr=5.0)
    queue_id = site.queue()
    best.refuse(95)
    assert other.accept() == [queue_id]


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


@pytest.mark.parametrize(
    ("request_fields", "code", "field"),
    [
        ({"end_point_eui": "0" * 16}, "unknown_sensor", "eui"),
        ({"end_point_eui": ONE_WAY_SENSOR}, "not_bidirectional", "eui"),
        ({"data": (bytes(201),)}, "invalid", "data"),
        ({"data": ("text",)}, "invalid", "data"),
        ({"data": (b"a", b"b")}, "invalid", "data"),
        ({"data": (b"a",), "packet_counters": (1, 2)}, "invalid", "data"),
        ({"data": (b"a", b""), "packet_counters": (1, 2)}, "invalid", "data"),
        ({"data": (b"a", b"b"), "packet_counters": (1, 1)}, "invalid", "packet_counters"),
        ({"data": (), "packet_counters": ()}, "invalid", "packet_counters"),
        ({"packet_counters": (-1,)}, "invalid", "packet_counters"),
        ({"packet_counters": (1 << 32,)}, "invalid", "packet_counters"),
        ({"packet_counters": ("1",)}, "invalid", "packet_counters"),
        ({"expires_in": 0}, "invalid", "expires_in"),
        ({"expires_in": -5.0}, "invalid", "expires_in"),
        ({"expires_in": float("inf")}, "invalid", "expires_in"),
        ({"expires_in": "5"}, "invalid", "expires_in"),
        ({"format": 256}, "invalid", "format"),
        ({"format": "1"}, "invalid", "format"),
        ({"priority": float("nan")}, "invalid", "priority"),
        ({"priority": 1e39}, "invalid", "priority"),
        ({"priority": True}, "invalid", "priority"),
        ({"expect_only": 1}, "invalid", "expect_only"),
        ({"ref": 1.5}, "invalid", "ref"),
    ],
)
def test_bad_input_names_its_field(
    site: DownlinkHouse, request_fields: dict[str, object], code: str, field: str
) -> None:
    request = DownlinkRequest(**({"end_point_eui": SENSOR, "data": (b"x",)} | request_fields))  # type: ignore[arg-type]
    queued = site.downlinks.queue(request)
    site.settle()
    with pytest.raises(CommandError) as error:
        result_of(queued)
    assert (error.value.code, error.value.field) == (code, field)
    assert error.value.message
    assert site.downlinks.statistics() == {"queued": 0}
    assert site.journal.load_downlink_counts().last_queue_id == 0


def test_a_queue_is_bounded(site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.downlinks.MAX_QUEUED_OF_SENSOR", 2)
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
    assert site.journal.load_downlink_counts().queued == {SENSOR: 1}
