"""What base stations say of downlinks, refusals among that."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from bssci.model import EUI
from bssci.wire.messages import DlDataQueRsp, Error
from tests.center.downlinks.gateway import SENSOR, DownlinkHouse, Gateway, gateway
from tests.support.center import result_of, sensor_eui

OTHER_SENSOR = EUI(sensor_eui(2))


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


def test_a_station_that_takes_a_downlink_while_the_picture_is_read_is_not_asked_again(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = gateway(site)
    site.queue()
    [request] = station.asked()
    downlinks, read = site.journal.downlinks, Deferred[Any]()
    with monkeypatch.context() as patch:
        picture = downlinks.picture(sensors=[SENSOR], limit=1)
        patch.setattr(downlinks, "picture", lambda **what: read)
        site.downlinks.reconfigured([SENSOR])
        site.settle()
        station.say(DlDataQueRsp(opId=request.opId))
    read.callback(result_of(picture))
    site.settle()
    assert station.asked() == []


def test_a_refused_downlink_has_failed(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.refuse(22)
    assert site.downlink(queue_id).message == f"base station {station.name}: 22 no"
    assert site.statuses(queue_id) == ["queued", "failed"]
    assert station.asked() == []


@pytest.fixture
def narrow(site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A base station that hears two sensors and takes one downlink at a time."""
    monkeypatch.setattr("bssci.center.downlinks.plan.IN_FLIGHT", 1)
    station = gateway(site)
    station.hear(1, OTHER_SENSOR)
    return station


def test_a_refusal_lets_another_downlink_go_that_waited_for_the_station(
    site: DownlinkHouse, narrow: Gateway
) -> None:
    site.queue()
    other = site.queue(sensor=OTHER_SENSOR)
    narrow.refuse(22)
    assert [request.queId for request in narrow.asked()] == [other]


def test_a_revoked_downlink_lets_another_one_go_that_waited_for_the_station(
    site: DownlinkHouse, narrow: Gateway
) -> None:
    first = site.queue()
    narrow.accept()
    site.downlinks.revoke(SENSOR, first)
    site.settle()
    other = site.queue(sensor=OTHER_SENSOR)
    assert narrow.asked() == []
    narrow.forget()
    assert [request.queId for request in narrow.asked()] == [other]


def test_all_that_was_left_at_a_station_is_revoked_in_turns(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.downlinks.worker.LEFT_AT_STATION", 1)
    station = gateway(site)
    station.hear(1, OTHER_SENSOR)
    queued = {sensor: site.queue(sensor=sensor) for sensor in (SENSOR, OTHER_SENSOR)}
    station.accept()
    station.lose()
    for sensor, queue_id in queued.items():
        site.downlinks.revoke(sensor, queue_id)
    site.settle()
    station.come()
    revoked = [station.forget(), station.forget()]
    assert sorted(revoked) == [[queue_id] for queue_id in queued.values()]


def test_a_station_says_invalid(site: DownlinkHouse) -> None:
    station = gateway(site)
    queue_id = site.queue()
    station.accept()
    station.result(queue_id, "invalid")
    assert site.statuses(queue_id) == ["queued", "invalid"]


def test_results_that_are_not_ours_are_taken_and_forgotten(site: DownlinkHouse) -> None:
    station = gateway(site)
    assert station.result((1 << 64) - 1)
    assert station.result(4711)
