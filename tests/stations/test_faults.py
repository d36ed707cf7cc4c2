"""Errors that a base station sends or gets leave a trace, and not a flood."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs

from bssci.model import EUI, StationProblem
from bssci.stations.faults import MAX_KINDS, MAX_REPORTED, OTHER, REPORT_INTERVAL, Faults
from bssci.wire.messages import Error, Ping, PingRsp, Status
from tests.support.center import House, Line

STATION = EUI("CAFE000000000001")


def test_the_first_is_reported_then_once_a_minute_with_how_many_there_were() -> None:
    faults = Faults(STATION)
    first = faults.note("sent", 71, "wrong order", 0.0)
    assert first is not None
    assert (first.direction, first.code, first.message, first.count) == ("sent", 71, "wrong order", 1)
    assert [faults.note("sent", 71, "wrong order", at) for at in (1.0, 2.0, 59.0)] == [None] * 3
    later = faults.note("sent", 71, "wrong order", REPORT_INTERVAL)
    assert later is not None and later.count == 4
    assert faults.counts == {("sent", 71): 5}


def test_a_clock_that_is_set_back_does_not_keep_an_error_from_being_reported() -> None:
    faults = Faults(STATION)
    assert faults.note("sent", 71, "wrong order", 86400.0)
    assert faults.note("sent", 71, "wrong order", 10.0)
    assert not faults.note("sent", 71, "wrong order", 20.0)


def test_another_cause_with_the_same_code_is_reported_by_itself_but_not_another_number() -> None:
    faults = Faults(STATION)
    assert faults.note("sent", 71, "ping: opId 4 is not above 5, the last one", 0.0)
    other = faults.note("sent", 71, "ulData: Object missing required field `dlOpen`", 1.0)
    assert other is not None and other.count == 1
    assert not faults.note("sent", 71, "ping: opId 6 is not above 7, the last one", 2.0)
    assert faults.counts == {("sent", 71): 3}


def test_a_station_that_says_something_else_each_time_causes_no_flood() -> None:
    faults = Faults(STATION)
    reports = [faults.note("received", 71, "x" * length, 0.0) for length in range(1, 200)]
    told = [each for each in reports if each is not None]
    assert len(told) == MAX_REPORTED + 1
    assert len([faults.note("received", 71, "x" * length, 70.0) for length in range(100, 102)]) == 2
    later = [faults.note("received", 71, "y" * length, 70.0) for length in range(1, 200)]
    assert sum(each is not None for each in later) <= MAX_REPORTED + 1


def test_codes_and_directions_are_told_apart_but_not_without_end() -> None:
    faults = Faults(STATION)
    codes = 10 * MAX_KINDS
    for code in range(codes):
        faults.note("received", code, "x" * 10_000, 0.0)
    assert len(faults.counts) == 2 * MAX_KINDS + 1
    assert faults.counts["received", OTHER] == codes - 2 * MAX_KINDS


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (Ping(opId=0), ("sent", 71)),
        (Error(opId=-1, code=95, message="no status here"), ("received", 95)),
        (Error(opId=-4711, code=22, message="what was that?"), ("received", 22)),
    ],
)
def test_it_is_in_the_log_and_in_the_timeline(
    house: House, sent: Ping | Error, expected: tuple[str, int]
) -> None:
    line = Line(house)
    line.connect()
    house.advance(2)
    assert line.take(Status)
    with capturedLogs() as told:
        line.say(sent)
    [problem] = [event for _, event in house.events if isinstance(event, StationProblem)]
    assert (problem.direction, problem.code, problem.base_station_eui) == (*expected, STATION)
    [logged] = [each for each in told if "protocol error" in str(each.get("log_format"))]
    assert (logged["bs_eui"], logged["code"]) == (STATION, expected[1])


def test_busy_and_not_known_are_everyday(house: House) -> None:
    line = Line(house)
    line.connect()
    house.advance(2)
    line.say(Error(opId=-1, code=11, message="busy"), Ping(opId=1))
    assert line.take(PingRsp)
    assert not [event for _, event in house.events if isinstance(event, StationProblem)]
    [station] = house.center.stations
    assert station.faults.counts == {("received", 11): 1}
