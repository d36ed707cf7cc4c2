"""Where a downlink goes, and when: to the station that can take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.python.failure import Failure

from bssci.center.downlinks.plan import Planner
from bssci.journal import StoredDownlink
from bssci.model import EUI, DownlinkRequest
from tests.center.downlinks.gateway import OTHER_STATION, SENSOR, DownlinkHouse, Gateway, gateway
from tests.support.center import result_of, sensor_entry, sensor_eui


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


@pytest.mark.parametrize("gone", [False, True], ids=["only receives", "gone"])
def test_another_station_that_begins_to_hear_it_gets_it_if_the_first_cannot_take_it(
    site: DownlinkHouse, gone: bool
) -> None:
    first, other = gateway(site, bidi=gone), Gateway(site, OTHER_STATION)
    other.come()
    if gone:
        first.lose()
    queue_id = site.queue()
    assert other.asked() == []
    other.hear(2, snr=1.0)
    assert first.asked() == []
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


def test_the_preferred_station_gets_it(site: DownlinkHouse, two: tuple[Gateway, Gateway]) -> None:
    best, other = two
    queue_id = site.queue()
    assert other.asked() == []
    assert best.accept() == [queue_id]


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


@pytest.mark.parametrize("entries", [[], [sensor_entry(1, bidi=False)]])
def test_so_does_one_that_is_removed_or_cannot_receive_any_more_after_a_restart(
    site: DownlinkHouse, entries: list[dict[str, Any]]
) -> None:
    queue_id = site.queue()
    site.kill()
    site.configure(entries)
    site.open()
    assert site.statuses(queue_id) == ["queued", "revoked"]
    assert site.downlinks.queued == 0


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


def test_a_station_that_sends_nothing_is_passed_over(
    site: DownlinkHouse, two: tuple[Gateway, Gateway]
) -> None:
    best, other = two
    queue_id = site.queue()
    best.refuse(95)
    assert other.accept() == [queue_id]


def test_a_fault_with_one_sensor_holds_up_those_of_no_other(
    site: DownlinkHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    other = EUI(sensor_eui(2))
    station = gateway(site)
    station.hear(1, sensor=other)
    plan = Planner._plan_sensor

    def plan_others(planner: Planner, eui: EUI, rows: Sequence[StoredDownlink]) -> None:
        if eui == SENSOR:
            raise ZeroDivisionError
        plan(planner, eui, rows)

    monkeypatch.setattr(Planner, "_plan_sensor", plan_others)
    queued = [
        site.downlinks.queue(DownlinkRequest(end_point_eui=eui, data=(b"1",))) for eui in (SENSOR, other)
    ]
    site.settle()
    _, placed = (result_of(each).queue_id for each in queued)
    assert station.accept() == [placed]
    assert {failure.type for failure in expected_errors} == {ZeroDivisionError}
    expected_errors.clear()
