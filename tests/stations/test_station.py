"""Messages in, messages out: what one base station hears, and when."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from twisted.python.failure import Failure

from bssci.model.attach_crypto import attach_signature
from bssci.wire.errors import ErrorCode, ProtocolError, TooManyOperations
from bssci.wire.messages import (
    Att,
    Det,
    DetCmp,
    DlDataRes,
    DlRxStat,
    Error,
    ErrorAck,
    Message,
    Ping,
    PingRsp,
    Request,
    Status,
    StatusRsp,
    UlDataRsp,
)
from bssci.wire.operations import OPERATION_OF, STATION_REQUESTS
from bssci.wire.session import DEFAULT_MAX_OPEN
from bssci.wire.variable_mac import VmUlData
from tests.support.center import KEY, House, Line, answers_to, connect_again, sensor_eui
from tests.support.log_lines import log_lines
from tests.support.wire import connect, sample, uplink

__all__ = ["log_lines"]


def test_the_answers_of_one_read_keep_its_order(line: Line) -> None:
    line.say(uplink(1, packetCnt=1), Ping(opId=2), uplink(3, packetCnt=2))
    assert line.sent == [UlDataRsp(opId=1), PingRsp(opId=2), UlDataRsp(opId=3)]


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


def test_a_failing_journal_gives_error_11_pings_live_and_service_resumes(house: House, line: Line) -> None:
    house.journal.broken = True
    line.say(Ping(opId=1), uplink(2, packetCnt=7))
    assert line.take(PingRsp) == [PingRsp(opId=1)]
    assert [(error.opId, error.code) for error in line.take(Error)] == [(2, 11)]
    assert house.center.storing.refusals == 1
    line.say(ErrorAck(opId=2), Ping(opId=3))
    assert line.take(PingRsp) == [PingRsp(opId=3)]
    house.journal.broken = False
    line.say(uplink(4, packetCnt=7))
    assert line.take(UlDataRsp) == [UlDataRsp(opId=4)]
    house.advance(3)
    assert [event.packet_counter for event in house.uplinks()] == [7]


def test_more_open_operations_than_allowed_are_refused_with_11(house: House, line: Line) -> None:
    line.give(*(uplink(number, packetCnt=number) for number in range(1, DEFAULT_MAX_OPEN + 7)))
    house.settle()
    assert len(line.take(UlDataRsp)) == DEFAULT_MAX_OPEN
    assert {error.code for error in line.take(Error)} == {11}


def test_of_too_many_operations_none_is_begun(house: House, line: Line) -> None:
    [station] = house.center.stations
    assert station.session is not None
    before = dict(station.session.open_requests)
    station.session.max_open = len(before) + 1
    with pytest.raises(TooManyOperations):
        station.issue([Ping(opId=0), Ping(opId=0)])
    house.settle()
    assert (line.take(Ping), station.session.open_requests) == ([], before)


def test_a_handler_that_raises_costs_its_message_only(
    house: House, line: Line, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    monkeypatch.setitem(line.station._services.handlers, Ping, fail)
    line.say(Ping(opId=1), uplink(2))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(1, 5)]
    assert line.take(UlDataRsp) == [UlDataRsp(opId=2)]
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def fail(*_: object) -> None:
    raise RuntimeError("bug")


@pytest.mark.parametrize(
    "answer",
    [
        StatusRsp(opId=-1, code=0, message="ok"),
        Error(opId=-1, code=5, message="no"),
        ProtocolError(ErrorCode.EPROTO, "code is missing", -1),
    ],
    ids=["answered", "refused", "unreadable"],
)
def test_a_finisher_that_raises_leaves_its_operation_ended_once(
    line: Line,
    answer: Message | ProtocolError,
    monkeypatch: pytest.MonkeyPatch,
    expected_errors: list[Failure],
) -> None:
    monkeypatch.setitem(line.station._services.finishers, Status, fail)
    line.station.ask_status()
    line.house.settle()
    [asked] = line.take(Status)
    if isinstance(answer, ProtocolError):
        answer = ProtocolError(answer.code, answer.message, asked.opId)
    else:
        answer = replace(answer, opId=asked.opId)
    line.say(answer, uplink(9))
    assert len(answers_to(line, asked.opId)) == 1
    assert line.take(UlDataRsp) == [UlDataRsp(opId=9)]
    assert asked.opId not in line.station.session.open_requests
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def test_a_completer_that_raises_makes_no_error_for_an_operation_that_is_over(
    line: Line, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    monkeypatch.setitem(line.station._services.completers, Det, fail)
    line.say(sample(Det, 9, epEui=SENSOR))
    line.sent.clear()
    line.say(DetCmp(opId=9), uplink(10))
    assert line.sent == [UlDataRsp(opId=10)]
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def test_a_request_that_only_we_may_begin_is_refused(line: Line) -> None:
    line.say(Status(opId=1))
    assert [(error.opId, error.code) for error in line.take(Error)] == [(1, 71)]


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


def test_every_operation_of_a_station_is_tried() -> None:
    assert {type(request) for request in OF_A_STATION} == STATION_REQUESTS


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


@pytest.mark.parametrize("is_lost", [False, True])
def test_an_operation_whose_end_could_not_be_stored_is_not_begun_again_by_a_later_run(
    old: Line, is_lost: bool
) -> None:
    house, station = old.house, old.station
    assert station is not None
    station.ask_status()
    house.settle()
    [status] = old.take(Status)
    house.journal.broken = True
    old.say(StatusRsp(opId=status.opId))
    house.journal.broken = False
    if is_lost:
        old.lose()
    else:
        old.say(Ping(opId=1))
    [kept] = house.journal.kept().sessions.values()
    assert kept.open_operations == []


def test_an_end_that_could_not_be_stored_says_nothing_of_the_operations_of_the_next_session(
    old: Line,
) -> None:
    house, station = old.house, old.station
    assert station is not None
    station.ask_status()
    house.settle()
    house.journal.broken = True
    old.say(StatusRsp(opId=old.take(Status)[0].opId))
    house.journal.broken = False
    new = Line(house, old.eui)
    new.connect(connect(bsEui=old.eui, snBsUuid=[1] * 16))
    open_before = len(house.journal.kept().sessions[station.eui].open_operations)
    new.say(Ping(opId=1))
    assert len(house.journal.kept().sessions[station.eui].open_operations) == open_before > 0


def test_nothing_is_begun_before_con_cmp(old: Line) -> None:
    old.lose()
    new = Line(old.house, old.eui)
    assert new.begin(connect(bsEui=old.eui)).snResume
    assert new.station is not None
    new.station.ask_status()
    old.house.settle()
    assert new.sent == []
    new.complete()
    old.house.advance(1)
    assert len(new.take(Status)) == 1


def test_a_full_disk_is_told_once_a_minute(old: Line, log_lines: list[str]) -> None:
    assert old.station is not None
    old.house.journal.broken = True
    for _ in range(5):
        old.station.ask_status()
        old.house.settle()
    assert len([line for line in log_lines if line.startswith("operations not begun")]) == 1


def test_an_event_about_a_station_that_cannot_be_stored_costs_a_line(old: Line, log_lines: list[str]) -> None:
    assert old.station is not None
    old.house.journal.broken = True
    for code in range(200, 205):
        old.station.note("received", code, "trouble")
        old.house.settle()
    assert len([line for line in log_lines if line.startswith("work for a base station failed")]) == 1
