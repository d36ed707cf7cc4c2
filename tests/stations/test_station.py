"""Messages in, messages out: what one base station hears, and when."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.model import StationStatus
from bssci.model.attach_crypto import attach_signature
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import (
    Att,
    Det,
    DlDataRes,
    DlRxStat,
    Error,
    ErrorAck,
    Message,
    Ping,
    PingRsp,
    Request,
    Status,
    StatusCmp,
    StatusRsp,
    UlDataCmp,
    UlDataRsp,
    VmUlData,
)
from bssci.wire.operations import OPERATION_OF, STATION_REQUESTS
from bssci.wire.session import DEFAULT_MAX_OPEN
from tests.support.center import KEY, STATION, House, Line, result_of, sensor_eui
from tests.support.wire import connect, sample, uplink


@pytest.fixture
def line(house: House) -> Line:
    line = Line(house)
    line.connect()
    line.answer_everything()
    line.sent.clear()
    return line


def test_an_uplink_is_acknowledged_after_the_commit_and_not_before(house: House, line: Line) -> None:
    line.give(uplink(1))
    assert line.sent == []
    house.settle()
    assert line.sent == [UlDataRsp(opId=1)]


def test_the_answers_of_one_read_keep_its_order(line: Line) -> None:
    line.say(uplink(1, packetCnt=1), Ping(opId=2), uplink(3, packetCnt=2))
    assert line.sent == [UlDataRsp(opId=1), PingRsp(opId=2), UlDataRsp(opId=3)]


def test_uplinks_may_overlap(line: Line) -> None:
    line.say(uplink(5, packetCnt=1))
    line.say(uplink(6, packetCnt=2), UlDataCmp(opId=5))
    line.say(UlDataCmp(opId=6), uplink(7, packetCnt=3))
    assert line.sent == [UlDataRsp(opId=5), UlDataRsp(opId=6), UlDataRsp(opId=7)]


def test_one_bad_message_costs_itself_only(house: House, line: Line) -> None:
    line.say(
        uplink(1, packetCnt=1), ProtocolError(ErrorCode.EPROTO, "snr is missing", 2), uplink(3, packetCnt=2)
    )
    assert line.take(Error) == [Error(opId=2, code=71, message="snr is missing")]
    assert line.take(UlDataRsp) == [UlDataRsp(opId=1), UlDataRsp(opId=3)]
    assert line.closed is None
    line.say(ErrorAck(opId=2))
    assert line.sent == []


@pytest.mark.parametrize("op_id", [0, 4, 5])
def test_an_operation_not_above_the_last_is_refused(line: Line, op_id: int) -> None:
    line.say(uplink(5, packetCnt=1))
    line.sent.clear()
    line.say(uplink(op_id, packetCnt=2))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(op_id, 71)]


def test_a_command_or_sub_channel_without_a_handler_is_answered_95(line: Line) -> None:
    line.say(ProtocolError(ErrorCode.ENOTSUP, "command 'rc.x' is not supported", 1))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(1, 95)]


def test_an_uplink_of_an_unknown_sensor_is_kept_published_and_counted(house: House, line: Line) -> None:
    line.say(uplink(1))
    house.advance(3)
    [event] = house.uplinks()
    assert not event.known
    assert house.center.unknown_uplinks == 1


def test_a_failing_journal_gives_error_11_pings_live_and_service_resumes(house: House, line: Line) -> None:
    house.journal.broken = True
    line.say(Ping(opId=1), uplink(2, packetCnt=7))
    assert line.take(PingRsp) == [PingRsp(opId=1)]
    assert [(error.opId, error.code) for error in line.take(Error)] == [(2, 11)]
    assert house.center.refusals == 1
    line.say(ErrorAck(opId=2), Ping(opId=3))
    assert line.take(PingRsp) == [PingRsp(opId=3)]
    house.journal.broken = False
    line.say(uplink(4, packetCnt=7))
    assert line.take(UlDataRsp) == [UlDataRsp(opId=4)]
    house.advance(3)
    assert [event.packet_counter for event in house.uplinks()] == [7]


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


def test_more_open_operations_than_allowed_are_refused_with_11(house: House, line: Line) -> None:
    line.give(*(uplink(number, packetCnt=number) for number in range(1, DEFAULT_MAX_OPEN + 7)))
    house.settle()
    assert len(line.take(UlDataRsp)) == DEFAULT_MAX_OPEN
    assert {error.code for error in line.take(Error)} == {11}


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


def test_a_handler_that_raises_costs_its_message_only(
    house: House, line: Line, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setitem(line.station._services.handlers, Ping, fail)
    line.say(Ping(opId=1), uplink(2))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(1, 5)]
    assert line.take(UlDataRsp) == [UlDataRsp(opId=2)]
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def test_a_request_that_only_we_may_begin_is_refused(line: Line) -> None:
    line.say(Status(opId=1))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(1, 71)]


# Operations that are begun again, on a connection that goes on with the session


SENSOR = int(sensor_eui(1), 16)
_SIGNATURE = list(attach_signature(bytes.fromhex(KEY), SENSOR, 1))
OF_A_STATION: list[Request] = [
    uplink(9),
    Ping(opId=9),
    sample(Att, 9, epEui=SENSOR, attachCnt=1, sign=_SIGNATURE),
    sample(Det, 9, epEui=SENSOR),
    sample(DlDataRes, 9, epEui=SENSOR, txTime=1, packetCnt=1),
    sample(DlRxStat, 9, epEui=SENSOR),
    sample(VmUlData, 9),
]
"""One of each operation that a station begins."""


def connect_again(old: Line) -> Line:
    """A new connection of the same station, on which operations run, before anything is on disk."""
    new = Line(old.house, old.eui)
    stations = old.house.center.registry
    assert old.station is not None
    stations.lost(old, old.station, "cable cut")
    new.station, answer = result_of(ensureDeferred(stations.admit(connect(bsEui=old.eui), new)))
    assert answer.snResume
    established = ensureDeferred(stations.established(new, new.station))
    established.addErrback(lambda failure: failure.trap(StorageError))  # where the test's disk is full
    return new


def answers_to(line: Line, op_id: int) -> list[Message]:
    return [message for message in line.sent if message.opId == op_id]


def test_every_operation_of_a_station_is_tried() -> None:
    assert {type(request) for request in OF_A_STATION} == STATION_REQUESTS


@pytest.fixture
def old(make_house) -> Line:
    line = Line(make_house(sensors=1))
    line.connect()
    line.answer_everything()
    line.sent.clear()
    return line


@pytest.mark.parametrize("request_", OF_A_STATION, ids=lambda request: type(request).__name__)
def test_an_operation_begun_again_while_it_is_being_stored_is_answered_once(
    old: Line, request_: Request
) -> None:
    old.give(request_)
    new = connect_again(old)
    new.give(request_)
    assert answers_to(new, 9) == []
    old.house.settle()
    assert answers_to(old, 9) == []
    [answer] = answers_to(new, 9)
    assert type(answer) is OPERATION_OF[type(request_)].response


@pytest.mark.parametrize("request_", OF_A_STATION, ids=lambda request: type(request).__name__)
def test_an_operation_begun_again_after_it_was_stored_is_answered_once(old: Line, request_: Request) -> None:
    old.give(request_)
    new = connect_again(old)
    old.house.settle()
    new.say(request_)
    assert answers_to(old, 9) == []
    [answer] = answers_to(new, 9)
    assert type(answer) is OPERATION_OF[type(request_)].response


@pytest.mark.parametrize("request_", OF_A_STATION, ids=lambda request: type(request).__name__)
def test_an_operation_that_is_refused_twice_is_told_once(old: Line, request_: Request) -> None:
    old.give(request_)
    new = connect_again(old)
    new.give(request_)
    old.house.journal.broken = True
    old.house.settle()
    old.house.journal.broken = False
    assert answers_to(old, 9) == []
    [answer] = answers_to(new, 9)
    if isinstance(request_, Ping):
        assert answer == PingRsp(opId=9)
    else:
        assert isinstance(answer, Error) and answer.code == ErrorCode.EAGAIN


def test_an_uplink_that_the_old_connection_could_not_store_is_stored_for_the_new_one(old: Line) -> None:
    old.give(uplink(9))
    new = connect_again(old)
    old.house.journal.broken = True
    old.house.settle()
    old.house.journal.broken = False
    new.say(uplink(9))
    assert answers_to(new, 9) == [UlDataRsp(opId=9)]
    old.house.advance(3)
    assert len(old.house.uplinks()) == 1


def test_an_uplink_is_published_once_though_it_was_begun_thrice(old: Line) -> None:
    lines = [old]
    for _ in range(2):
        lines[-1].give(uplink(9))
        lines.append(connect_again(lines[-1]))
    lines[-1].give(uplink(9))
    old.house.advance(3)
    assert [len(answers_to(line, 9)) for line in lines] == [0, 0, 1]
    assert len(old.house.uplinks()) == 1
