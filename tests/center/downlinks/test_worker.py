"""What a station is asked, and when it is asked again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.center.downlinks.happenings import Queued, Turn
from bssci.center.downlinks.plan import GRACE, UNKNOWN_THERE_WAIT, WATCH
from bssci.center.downlinks.worker import REFUSING
from bssci.model import EUI, Downlink, DownlinkRequest
from bssci.model.commands import CommandError
from bssci.wire.messages import AttPrp, DlDataQueRsp, DlDataRev, DlDataRevRsp, Error
from tests.center.downlinks.gateway import SENSOR, DownlinkHouse, Gateway, connected, gateway
from tests.support.center import result_of, sensor_eui
from tests.support.wire import connect


def test_in_order_one_at_a_time(site: DownlinkHouse) -> None:
    station = gateway(site)
    first, second, third = site.queue(), site.queue(), site.queue()
    assert station.accept() == [first]
    station.result(first, counter=2)
    assert station.accept() == [second]
    station.result(second, "expired")
    assert station.accept() == [third]
    assert site.downlink(second).state == "expired"


def test_a_busy_station_is_asked_again_later(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.refuse(11)
    assert station.asked() == []
    site.advance(7)
    assert station.accept() == [queue_id]


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


def test_a_busy_station_is_asked_to_revoke_again(site: DownlinkHouse) -> None:
    station = connected(site)
    queue_id = site.queue()
    station.accept()
    site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    (request,) = station.take(DlDataRev)
    station.say(Error(opId=request.opId, code=11, message="busy"))
    assert station.take(DlDataRev) == []
    site.advance(7)
    assert station.forget() == [queue_id]


def test_a_station_keeps_no_downlink_as_the_order_to_revoke_it_could_not_be_stored(
    site: DownlinkHouse,
) -> None:
    station = gateway(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    station.lose()
    assert result_of(_revoking(site, queue_id)).state == "revoked"
    station.begin(connect(bsEui=station.eui))
    site.journal.full = True
    station.complete()
    site.advance(2, step=1)
    site.journal.full = False
    assert station.forget() == []
    site.advance(WATCH + 2, step=1)
    assert station.forget() == [queue_id]
    site.advance(WATCH + 2, step=1)
    assert station.forget() == [] and station.held == []


def _revoking(site: DownlinkHouse, queue_id: int) -> Deferred[Downlink]:
    revoking = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    return revoking


def test_few_operations_are_open_and_all_are_placed_in_the_end(
    make_site: Callable[[int], DownlinkHouse],
) -> None:
    site = make_site(200)
    station = Gateway(site)
    station.come()
    sensors = [sensor.eui for sensor in site.center.sensors if sensor.bidirectional]
    for counter, sensor in enumerate(sensors, 1):
        station.hear(counter, sensor=EUI(sensor))
    for sensor in sensors:
        site.downlinks.queue(DownlinkRequest(end_point_eui=EUI(sensor), data=(b"x",)))
    site.settle()
    largest = 0
    while requests := station.asked():
        largest = max(largest, len(requests))
        station.held += [request.queId for request in requests]
        station.say(*(DlDataQueRsp(opId=request.opId) for request in requests))
        site.advance(0.1)
    assert len(set(station.held)) == len(station.held) == 200
    assert largest <= 64


def test_what_waits_until_a_station_can_take_more_goes_to_another_one_if_it_is_gone(
    site: DownlinkHouse, two: tuple[Gateway, Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    best, other = two
    second = EUI(sensor_eui(2))
    best.hear(1, second, snr=15.0)
    other.hear(2, second, snr=5.0)
    monkeypatch.setattr("bssci.center.downlinks.plan.IN_FLIGHT", 1)
    first, waiting = site.queue(), site.queue(sensor=second)
    assert [order.queId for order in best.asked()] == [first]
    best.lose()
    site.advance(1)
    assert other.accept() == [waiting]
    site.advance(GRACE)
    assert other.accept() == [first]


def test_no_more_bytes_wait_for_their_turn_than_are_allowed(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.downlinks.worker.MAX_WAITING_BYTES", 40_000)
    station = gateway(site)
    counters = tuple(range(64))
    request = DownlinkRequest(
        end_point_eui=SENSOR, data=(bytes(200),) * 64, packet_counters=counters, ref="r" * 200
    )
    asked = [site.downlinks.queue(request) for _ in range(3)]
    with pytest.raises(CommandError, match="cannot store now"):
        result_of(asked[2])
    site.settle()
    assert [result_of(each).state for each in asked[:2]] == ["queued", "queued"]
    for _ in range(10):  # what had its turn takes no room any more
        assert site.queue(data=b"") and site.advance(1) is None
    assert station.asked()


def test_a_fault_with_one_change_is_told_to_whoever_asked_and_costs_no_other(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    station = gateway(site)
    apply = Queued.apply

    def apply_others(happening: Queued, turn: Turn) -> Downlink:
        if happening.stored.downlink.request.data == (b"bad",):
            raise ZeroDivisionError
        return apply(happening, turn)

    monkeypatch.setattr(Queued, "apply", apply_others)
    requests = [DownlinkRequest(end_point_eui=SENSOR, data=(data,)) for data in (b"1", b"bad", b"2")]
    asked = [site.downlinks.queue(request) for request in requests]
    site.settle()
    with pytest.raises(ZeroDivisionError):
        result_of(asked[1])
    first, second = (result_of(asked[index]).queue_id for index in (0, 2))
    assert station.accept() == [first]
    station.result(first)
    assert station.accept() == [second]
    assert expected_errors.pop().type is ZeroDivisionError


def test_a_fault_after_the_commit_keeps_nobody_from_an_answer(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    station = gateway(site)

    def fail(turn: Turn) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(site.downlinks._worker, "_stored", fail)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    [failure] = expected_errors
    assert expected_errors.pop() is failure and failure.check(ZeroDivisionError)


def test_an_order_that_is_refused_while_a_turn_reads_is_not_given_again(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    [asked] = station.asked()
    site.downlinks._worker.look([SENSOR])
    station.give(Error(opId=asked.opId, code=22, message="no"))
    site.settle()
    assert station.asked() == []
    assert site.downlink(queue_id).state == "failed"


def test_a_revocation_that_is_answered_while_a_turn_reads_is_not_ordered_again(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    assert station.accept() == [queue_id]
    revoked = site.downlinks.revoke(SENSOR, queue_id)
    site.settle()
    [order] = station.take(DlDataRev)
    site.downlinks._worker.look([SENSOR])
    station.give(DlDataRevRsp(opId=order.opId))
    site.settle()
    assert station.take(DlDataRev) == []
    assert result_of(revoked).state == "revoked"
