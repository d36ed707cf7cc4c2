"""Pings, status, and what a station answers to them."""

from __future__ import annotations

from bssci.model import StationStatus
from bssci.wire.messages import (
    Error,
    ErrorAck,
    Ping,
    Status,
    StatusCmp,
    StatusRsp,
)
from tests.support.center import STATION, House, Line


def test_of_a_ping_that_cannot_be_stored_the_connection_hears(house: House, line: Line) -> None:
    house.journal.broken = True
    line.station.ask_status()
    house.settle()
    assert line.not_asked_times == 0
    line.station.ping()
    house.settle()
    assert (line.sent, line.not_asked_times) == ([], 1)
    house.journal.broken = False
    line.station.ping()
    house.settle()
    assert len(line.take(Ping)) == 1
    assert line.not_asked_times == 1


def test_status_is_asked_at_once_then_every_interval(make_house) -> None:
    house = make_house(**{"status-interval": "60"})
    line = Line(house)
    line.connect()
    house.advance(1.0)
    [request] = line.take(Status)
    line.say(StatusRsp(opId=request.opId, code=0, message="ok", time=5, dutyCycle=0.5))
    assert line.take(StatusCmp) == [StatusCmp(opId=request.opId)]
    [event] = [event for _, event in house.events if isinstance(event, StationStatus)]
    assert (event.code, event.message, event.duty_cycle, event.cpu_load) == (0, "ok", 0.5, None)
    house.advance(58, step=1)
    assert line.take(Status) == []
    house.advance(3, step=1)
    assert len(line.take(Status)) == 1


def test_a_station_that_leaves_all_unanswered_keeps_no_other_from_being_asked(make_house) -> None:
    house = make_house(**{"status-interval": "60"})
    lines = [Line(house, STATION + number) for number in range(2)]
    for line in lines:
        line.connect()
    house.advance(1.0)
    for line in lines:
        [request] = line.take(Status)
        line.say(StatusRsp(opId=request.opId))
    assert lines[0].station is not None and lines[0].station.session is not None
    lines[0].station.session.max_open = 0
    house.advance(61, step=1)
    assert [len(line.take(Status)) for line in lines] == [0, 1]


def test_an_incomplete_status_is_published_as_it_is(house: House) -> None:
    line = Line(house)
    line.connect()
    house.advance(1.0)
    [request] = line.take(Status)
    line.say(StatusRsp(opId=request.opId))
    [event] = [event for _, event in house.events if isinstance(event, StationStatus)]
    assert (event.code, event.time, event.memory_load) == (None, None, None)


def test_a_refused_status_is_asked_again_later(make_house) -> None:
    house = make_house(**{"status-interval": "60"})
    line = Line(house)
    line.connect()
    house.advance(1.0)
    [request] = line.take(Status)
    line.say(Error(opId=request.opId, code=95, message="never heard of it"))
    assert line.take(ErrorAck) == [ErrorAck(opId=request.opId)]
    house.advance(61, step=1)
    assert len(line.take(Status)) == 1
