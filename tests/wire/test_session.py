"""bssci.wire.session: operations in both directions, across connections."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.wire import messages as m
from bssci.wire import variable_mac as vm
from bssci.wire.errors import ErrorCode, ProtocolError, TooManyOperations
from bssci.wire.fields import MAX_SUBPACKETS, Subpackets
from bssci.wire.messages import Con, Error, ErrorAck, Message
from bssci.wire.operations import CLASSES
from bssci.wire.outcomes import Answered, Cancelled, Completed, Ignored, Refused, Rejected, Requested
from bssci.wire.session import Session, decide_resume, decode_operation, encode_operation
from tests.support.cases import case
from tests.support.wire import connect, sample, uplink

SC_UUID = bytes(range(100, 116))
STATUS = m.Status(opId=0)
EUI = uplink().epEui


def session(**changes: Any) -> Session:
    fields: dict[str, Any] = {"bs_eui": 1, "sn_bs_uuid": bytes(16), "sn_sc_uuid": SC_UUID, "version": "1.0.0"}
    return Session(**(fields | changes))


def refusal(peer: Session, message: Message) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        peer.receive(message)
    assert caught.value.op_id == message.opId
    return caught.value


# The station begins


def test_an_operation_of_the_station() -> None:
    peer = session()
    assert peer.receive(uplink(1)) == Requested(uplink(1), again=False)
    assert peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(m.UlDataCmp(opId=1)) == Completed(1, m.UlData, EUI)
    assert peer.last_bs_op_id == 1
    assert isinstance(peer.receive(m.UlDataCmp(opId=1)), Ignored)


def test_operations_interleave_in_both_directions() -> None:
    peer = session()
    asked = peer.issue(STATUS)
    peer.receive(uplink(5))
    peer.receive(uplink(6))
    assert peer.answer(m.UlDataRsp(opId=6), peer.generation) and peer.answer(
        m.UlDataRsp(opId=5), peer.generation
    )
    assert peer.receive(m.StatusRsp(opId=-1)) == Answered(asked, m.StatusRsp(opId=-1), m.StatusCmp(opId=-1))
    assert peer.receive(m.UlDataCmp(opId=5)) == Completed(5, m.UlData, EUI)
    assert peer.receive(m.UlDataCmp(opId=6)) == Completed(6, m.UlData, EUI)


@pytest.mark.parametrize("op_id", [7, 6, 1, 0, -1, -(1 << 63)])
def test_a_new_op_id_must_be_above_the_last(op_id: int) -> None:
    peer = session(last_bs_op_id=7)
    error = refusal(peer, uplink(op_id))
    assert error.code == ErrorCode.EPROTO
    assert "not above 7" in error.message
    assert peer.receive(uplink(8)) == Requested(uplink(8), again=False)


def test_op_ids_may_leave_gaps() -> None:
    peer = session()
    peer.receive(uplink(10))
    assert peer.receive(uplink(9187)) == Requested(uplink(9187), again=False)
    assert peer.last_bs_op_id == 9187


def test_what_a_station_may_begin() -> None:
    for kind in CLASSES:
        with case(kind):
            message = sample(kind, 3)
            if isinstance(
                message, m.Ping | m.UlData | m.Att | m.Det | m.DlDataRes | m.DlRxStat | vm.VmUlData
            ):
                assert session().receive(message) == Requested(message, again=False)
            elif issubclass(kind, m.Request | m.Response):
                assert refusal(session(), message).code == ErrorCode.EPROTO
            else:
                assert isinstance(session().receive(message), Ignored)


def test_a_second_con_is_out_of_order() -> None:
    assert refusal(session(last_bs_op_id=3), connect()).code == ErrorCode.EPROTO


def test_a_refused_operation_waits_for_the_acknowledgement() -> None:
    peer = session()
    peer.receive(uplink(1))
    assert peer.refuse(1, ErrorCode.EIO, "disk", 0) == Error(opId=1, code=5, message="disk")
    assert not peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(ErrorAck(opId=1)) == Completed(1, m.UlData, EUI)
    assert isinstance(peer.receive(ErrorAck(opId=1)), Ignored)


@pytest.mark.parametrize("answered", [False, True])
def test_the_station_gives_its_operation_up(answered: bool) -> None:
    peer = session()
    peer.receive(uplink(1))
    if answered:
        peer.answer(m.UlDataRsp(opId=1), peer.generation)
    outcome = peer.receive(Error(opId=1, code=22, message="no"))
    assert outcome == Cancelled(1, m.UlData, EUI, 22, "no", ErrorAck(opId=1))
    assert not peer.answer(m.UlDataRsp(opId=1), peer.generation)


def test_a_completion_before_the_answer_is_out_of_order() -> None:
    peer = session()
    peer.receive(uplink(1))
    error = refusal(peer, m.UlDataCmp(opId=1))
    assert (error.code, error.command) == (ErrorCode.EPROTO, "ulDataCmp")
    assert peer.reject(error) == Rejected(Error(opId=1, code=71, message=error.message), "ulDataCmp")
    assert not peer.answer(m.UlDataRsp(opId=1), peer.generation)


def test_a_completion_must_fit_its_operation() -> None:
    peer = session()
    peer.receive(uplink(1))
    peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert refusal(peer, m.AttCmp(opId=1)).code == ErrorCode.EPROTO
    assert peer.receive(m.UlDataCmp(opId=1)) == Completed(1, m.UlData, EUI)


def test_unanswered_operations_are_bounded_and_the_rest_goes_on() -> None:
    peer = session(max_open=2)
    peer.receive(uplink(1))
    peer.receive(uplink(2))
    error = refusal(peer, uplink(3))
    assert error.code == ErrorCode.EAGAIN
    assert isinstance(peer.reject(error), Rejected)
    peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(uplink(4)) == Requested(uplink(4), again=False)


def test_a_station_that_never_completes_is_served_all_the_same() -> None:
    peer = session(max_open=2)
    for op_id in range(1, 5):
        peer.receive(uplink(op_id))
        assert peer.answer(m.UlDataRsp(opId=op_id), peer.generation)
    assert isinstance(peer.receive(m.UlDataCmp(opId=2)), Ignored)
    assert isinstance(peer.receive(m.UlDataCmp(opId=3)), Completed)
    assert isinstance(peer.receive(m.UlDataCmp(opId=4)), Completed)


# What a session remembers


def test_the_content_of_an_operation_is_not_kept() -> None:
    peer = session()
    data = list(range(200))
    before = sys.getrefcount(data)
    peer.receive(uplink(1, userData=data))
    assert sys.getrefcount(data) == before
    peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(m.UlDataCmp(opId=1)) == Completed(1, m.UlData, EUI)


def test_of_a_ping_no_sensor_is_remembered() -> None:
    peer = session()
    peer.receive(m.Ping(opId=1))
    peer.answer(m.PingRsp(opId=1), peer.generation)
    assert peer.receive(m.PingCmp(opId=1)) == Completed(1, m.Ping, None)


def large(op_id: int) -> m.UlData:
    levels = [1.5] * MAX_SUBPACKETS
    return uplink(op_id, subpackets=Subpackets(snr=levels, rssi=levels, frequency=levels))


def test_unanswered_operations_are_bounded_in_bytes() -> None:
    peer = session(max_bytes=1_000_000)
    taken = 0
    while taken < 1000:
        try:
            peer.receive(large(taken + 1))
        except ProtocolError as error:
            assert (error.code, error.command) == (ErrorCode.EAGAIN, "ulData")
            peer.reject(error)
            break
        taken += 1
    assert 5 <= taken <= 10
    peer.receive(uplink(taken + 2))  # a small one finds room
    for op_id in range(1, taken + 3):
        peer.answer(m.UlDataRsp(opId=op_id), peer.generation)
    for op_id in range(taken + 3, taken + taken + 3):
        assert isinstance(peer.receive(large(op_id)), Requested)


@pytest.mark.parametrize("end", ["answer", "refuse", "reject", "error", "resumed"])
def test_whatever_ends_an_operation_gives_its_bytes_back(end: str) -> None:
    peer = session(max_bytes=200_000)
    for number in range(1, 20):
        assert isinstance(peer.receive(large(number)), Requested)
        match end:
            case "answer":
                peer.answer(m.UlDataRsp(opId=number), peer.generation)
            case "refuse":
                peer.refuse(number, 11, "busy", peer.generation)
            case "reject":
                peer.reject(ProtocolError(ErrorCode.EIO, "internal error", number))
            case "error":
                peer.receive(Error(opId=number, code=22, message="no"))
            case "resumed":
                peer.resumed()


def queued(entries: int) -> m.DlDataQue:
    counters = list(range(entries))
    return m.DlDataQue(
        opId=0, epEui=1, queId=1, cntDepend=True, packetCnt=counters, userData=[[1] * 200] * entries
    )


@pytest.mark.parametrize("end", ["response", "error", "reject", "abandon"])
def test_our_operations_are_bounded_in_bytes(end: str) -> None:
    peer = session(max_bytes=200_000)
    peer.issue(queued(64))
    peer.issue(STATUS)
    with pytest.raises(TooManyOperations, match="bytes"):
        peer.issue(queued(64))
    match end:
        case "response":
            peer.receive(m.DlDataQueRsp(opId=-1))
        case "error":
            peer.receive(Error(opId=-1, code=22, message="no"))
        case "reject":
            peer.reject(ProtocolError(ErrorCode.EINVAL, "no", -1))
        case "abandon":
            peer.abandon([-1])
    assert peer.issue(queued(64)).opId == -3


def test_a_restored_session_knows_how_much_is_open() -> None:
    peer = session(max_bytes=200_000, last_sc_op_id=-1, open_requests={-1: queued(64)})
    with pytest.raises(TooManyOperations, match="bytes"):
        peer.issue(queued(64))
    peer.receive(m.DlDataQueRsp(opId=-1))
    peer.issue(queued(64))


# Messages that are not acceptable


def test_the_next_op_id_of_an_unreadable_message_counts_as_seen() -> None:
    peer = session(last_bs_op_id=6)
    outcome = peer.reject(ProtocolError(ErrorCode.EPROTO, "broken", 7, "ulData"))
    assert outcome == Rejected(Error(opId=7, code=71, message="broken"), "ulData")
    assert peer.last_bs_op_id == 7
    assert isinstance(peer.receive(ErrorAck(opId=7)), Ignored)


def test_a_damaged_op_id_does_not_lock_out_later_ones() -> None:
    peer = session(last_bs_op_id=6)
    peer.reject(ProtocolError(ErrorCode.EPROTO, "broken", (1 << 63) - 1))
    assert peer.receive(uplink(7)) == Requested(uplink(7), again=False)


def test_an_error_without_operation_goes_out_as_0() -> None:
    outcome = session().reject(ProtocolError(ErrorCode.EPROTO, "opId is missing"))
    assert outcome == Rejected(Error(opId=0, code=71, message="opId is missing"))


def test_an_unusable_answer_ends_our_operation() -> None:
    peer = session()
    asked = peer.issue(STATUS)
    said = Error(opId=-1, code=22, message="time")
    assert peer.reject(ProtocolError(ErrorCode.EINVAL, "time", -1)) == Refused(asked, said, said)
    assert peer.open_requests == {}
    assert isinstance(peer.receive(ErrorAck(opId=-1)), Ignored)


def test_an_operation_that_nobody_handles_is_over() -> None:
    peer = session(max_open=1)
    peer.receive(uplink(1))
    told = peer.reject(ProtocolError(ErrorCode.ENOTSUP, "no handler", 1))
    assert told == Rejected(Error(opId=1, code=95, message="no handler"), "ulData")
    assert peer.receive(uplink(2)) == Requested(uplink(2), again=False)


# The service center begins


def test_op_ids_fall_from_minus_1() -> None:
    peer = session()
    assert [peer.issue(m.Ping(opId=99)).opId for _ in range(3)] == [-1, -2, -3]
    assert peer.last_sc_op_id == -3
    assert list(peer.open_requests) == [-1, -2, -3]


def test_op_ids_go_on_after_a_restart() -> None:
    assert session(last_sc_op_id=-1659).issue(STATUS) == m.Status(opId=-1660)


@pytest.mark.parametrize("request_", [uplink(0), connect()])
def test_what_is_not_ours_to_begin(request_: m.Request) -> None:
    with pytest.raises(ValueError, match="the service center must not begin"):
        session().issue(request_)


def test_our_operations_are_bounded() -> None:
    peer = session(max_open=2)
    peer.issue(STATUS)
    peer.issue(STATUS)
    with pytest.raises(TooManyOperations):
        peer.issue(STATUS)
    peer.receive(m.StatusRsp(opId=-1))
    assert peer.issue(STATUS).opId == -3


def test_the_station_refuses() -> None:
    peer = session()
    asked = peer.issue(m.DetPrp(opId=0, epEui=5))
    outcome = peer.receive(Error(opId=-1, code=2, message="unknown"))
    assert isinstance(outcome, Refused)
    assert outcome == Refused(asked, Error(opId=-1, code=2, message="unknown"), ErrorAck(opId=-1))
    assert (outcome.code, outcome.message) == (2, "unknown")
    assert peer.open_requests == {}


def test_an_answer_of_another_kind_is_refused_and_can_still_be_given_right() -> None:
    peer = session()
    peer.issue(STATUS)
    assert refusal(peer, m.PingRsp(opId=-1)).code == ErrorCode.EPROTO
    assert isinstance(peer.receive(m.StatusRsp(opId=-1)), Answered)


@pytest.mark.parametrize("op_id", [-2, 0, 1])
def test_an_answer_to_what_never_was(op_id: int) -> None:
    peer = session()
    peer.issue(STATUS)
    assert refusal(peer, m.StatusRsp(opId=op_id)).code == ErrorCode.EPROTO


def test_a_second_answer_is_harmless() -> None:
    peer = session()
    peer.issue(STATUS)
    peer.receive(m.StatusRsp(opId=-1))
    assert isinstance(peer.receive(m.StatusRsp(opId=-1)), Ignored)
    late = peer.receive(Error(opId=-1, code=5, message="late"))
    assert isinstance(late, Ignored) and late.completion == ErrorAck(opId=-1)


def test_a_completion_in_place_of_an_answer_is_out_of_order() -> None:
    peer = session()
    peer.issue(STATUS)
    assert refusal(peer, m.StatusCmp(opId=-1)).code == ErrorCode.EPROTO


def test_what_was_never_sent_is_forgotten() -> None:
    peer = session()
    peer.issue(STATUS)
    peer.issue(STATUS)
    peer.abandon([-1, -7])
    assert list(peer.open_requests) == [-2]
    assert peer.issue(STATUS).opId == -3


# Resuming


def test_our_unfinished_operations_are_issued_again_in_order() -> None:
    peer = session()
    issued = [peer.issue(m.DetPrp(opId=0, epEui=number)) for number in range(4)]
    peer.receive(m.DetPrpRsp(opId=-2))
    peer.resumed()
    assert peer.reissue() == [issued[0], issued[2], issued[3]]
    assert isinstance(peer.receive(m.DetPrpRsp(opId=-3)), Answered)
    assert isinstance(peer.receive(m.DetPrpRsp(opId=-3)), Ignored)


def test_a_restored_session_goes_on() -> None:
    before = session()
    before.receive(uplink(1))
    issued = before.issue(m.DlDataRev(opId=0, epEui=1, queId=2))
    stored = [(op_id, encode_operation(request)) for op_id, request in before.open_requests.items()]
    restored = {op_id: decode_operation(request, op_id) for op_id, request in stored}
    after = session(last_bs_op_id=1, last_sc_op_id=-1, open_requests=restored)
    after.resumed()
    assert after.reissue() == [issued]
    assert after.receive(uplink(1)) == Requested(uplink(1), again=True)


def test_only_requests_are_stored() -> None:
    with pytest.raises(ValueError, match="ErrorAck"):
        decode_operation(encode_operation(ErrorAck(opId=1)), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x81", encode_operation(STATUS)[:-1], b"{}", b"\x80"])
def test_a_damaged_operation_is_no_operation(stored: bytes) -> None:
    with pytest.raises(ValueError, match="not a stored operation"):
        decode_operation(stored, -3)


def test_the_station_issues_again_until_its_first_new_operation() -> None:
    peer = session(last_bs_op_id=9)
    peer.resumed()
    assert peer.state.name == "REISSUING"
    assert peer.receive(uplink(7)) == Requested(uplink(7), again=True)
    assert peer.receive(uplink(9)) == Requested(uplink(9), again=True)
    assert peer.last_bs_op_id == 9
    assert peer.receive(uplink(10)) == Requested(uplink(10), again=False)
    assert peer.state.name == "RUNNING"
    assert refusal(peer, uplink(8)).code == ErrorCode.EPROTO


def test_a_completion_from_before_the_resume_completes_nothing() -> None:
    peer = session()
    peer.receive(uplink(1))
    peer.answer(m.UlDataRsp(opId=1), peer.generation)
    peer.resumed()
    assert isinstance(peer.receive(m.UlDataCmp(opId=1)), Ignored)


@pytest.mark.parametrize("op_id", [0, -1])
def test_issued_again_is_still_positive(op_id: int) -> None:
    peer = session(last_bs_op_id=9)
    peer.resumed()
    assert refusal(peer, uplink(op_id)).code == ErrorCode.EPROTO


def test_the_same_operation_twice_on_one_connection_is_an_error_while_it_is_open() -> None:
    peer = session(last_bs_op_id=9)
    peer.resumed()
    peer.receive(uplink(9))
    assert refusal(peer, uplink(9)).code == ErrorCode.EPROTO


def test_an_answer_from_before_the_resume_is_declined_once_only() -> None:
    peer = session()
    peer.receive(uplink(1))
    peer.resumed()
    assert not peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(uplink(1)) == Requested(uplink(1), again=True)
    assert peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert not peer.answer(m.UlDataRsp(opId=1), peer.generation)


def test_what_an_older_connection_finishes_leaves_the_repeated_operation_alone() -> None:
    peer = session()
    older = peer.generation
    peer.receive(uplink(1))
    peer.resumed()
    peer.receive(uplink(1))
    assert not peer.answer(m.UlDataRsp(opId=1), older)
    assert peer.refuse(1, ErrorCode.EAGAIN, "try again", older) is None
    assert peer.answer(m.UlDataRsp(opId=1), peer.generation)
    assert peer.receive(m.UlDataCmp(opId=1)) == Completed(1, m.UlData, EUI)


def test_an_older_connection_does_not_complete_what_a_newer_one_refused() -> None:
    peer = session()
    older = peer.generation
    peer.receive(uplink(1))
    peer.resumed()
    peer.receive(uplink(1))
    assert peer.refuse(1, ErrorCode.EAGAIN, "try again", peer.generation) is not None
    assert not peer.answer(m.UlDataRsp(opId=1), older)
    assert peer.receive(ErrorAck(opId=1)) == Completed(1, m.UlData, EUI)


def test_what_is_over_cannot_be_refused() -> None:
    peer = session()
    peer.receive(uplink(1))
    peer.receive(Error(opId=1, code=22, message="no"))
    assert peer.refuse(1, ErrorCode.EAGAIN, "try again", peer.generation) is None


KNOWN: dict[str, Any] = {
    "bs_eui": 0xCAFE000000000001,
    "sn_bs_uuid": bytes(range(16)),
    "last_bs_op_id": 50,
    "last_sc_op_id": -20,
}


@pytest.mark.parametrize(
    ("con", "known", "version", "resumes"),
    [
        ({}, {}, "1.0.0", True),
        ({"snBsOpId": 50, "snScOpId": -20}, {}, "1.0.0", True),
        ({"snBsOpId": 49, "snScOpId": -19}, {}, "1.0.0", True),
        ({"snBsOpId": 0, "snScOpId": 0}, {}, "1.0.0", True),
        ({"snBsOpId": 51}, {}, "1.0.0", False),
        ({"snScOpId": -21}, {}, "1.0.0", False),
        ({"snBsOpId": 9187, "snScOpId": -1659}, {}, "1.0.0", False),
        ({"snBsUuid": [1] * 16}, {}, "1.0.0", False),
        ({"bsEui": 2}, {}, "1.0.0", False),
        ({}, {}, "1.1.0", False),
        ({}, {"version": "1.1.0"}, "1.1.0", True),
        ({}, {"version": "1.1.0"}, "1.0.0", False),
        ({}, {"last_bs_op_id": 0, "last_sc_op_id": 0}, "1.0.0", True),
        ({"snBsOpId": 0, "snScOpId": 0}, {"last_bs_op_id": 0, "last_sc_op_id": 0}, "1.0.0", True),
        ({"snBsOpId": 1}, {"last_bs_op_id": 0}, "1.0.0", False),
        (
            {"snBsUuid": [byte - 256 for byte in range(128, 144)]},
            {"sn_bs_uuid": bytes(range(128, 144))},
            "1.0.0",
            True,
        ),
    ],
    ids=str,
)
def test_a_session_is_resumed_only_as_both_sides_know_it(
    con: dict[str, Any], known: dict[str, Any], version: str, resumes: bool
) -> None:
    assert decide_resume(connect(**con), session(**(KNOWN | known)), version) is resumes


def test_nothing_to_resume() -> None:
    assert decide_resume(connect(), None, "1.0.0") is False


def test_a_fresh_session_begins_at_nothing() -> None:
    con = Con(opId=0, version="1.0.0", bsEui=7, bidi=True, snBsUuid=[-1] * 16, snBsOpId=9187, snScOpId=-1659)
    fresh = Session.fresh(con, SC_UUID, "1.0.0")
    assert (fresh.bs_eui, fresh.sn_bs_uuid, fresh.sn_sc_uuid, fresh.version) == (
        7,
        b"\xff" * 16,
        SC_UUID,
        "1.0.0",
    )
    assert (fresh.last_bs_op_id, fresh.last_sc_op_id, fresh.open_requests) == (0, 0, {})
    assert fresh.receive(uplink(1)) == Requested(uplink(1), again=False)
    assert fresh.issue(STATUS).opId == -1


# Whatever a station sends


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(-4, 6)), max_size=25), st.integers(0, 25))
def test_no_sequence_of_messages_breaks_a_session(
    sent: list[tuple[type[Message], int]], resume_at: int
) -> None:
    peer = session(max_open=3)
    peer.issue(STATUS)
    peer.issue(m.DetPrp(opId=0, epEui=1))
    highest = 0
    for number, (kind, op_id) in enumerate(sent):
        if number == resume_at:
            peer.resumed()
        try:
            outcome = peer.receive(sample(kind, op_id))
        except ProtocolError as error:
            reply = peer.reject(error)
            assert reply.completion.opId == op_id
        else:
            if isinstance(outcome, Requested):
                assert outcome.again == (op_id <= highest)
                if op_id % 2:
                    assert peer.answer(m.UlDataRsp(opId=op_id), peer.generation)
        assert peer.last_bs_op_id >= highest
        highest = peer.last_bs_op_id
        assert len(peer._received) <= 3 and len(peer._answered) <= 3
    assert isinstance(peer.receive(uplink(highest + 1)), Requested) or len(peer._received) == 3


def test_an_operation_stored_under_another_op_id_is_damaged() -> None:
    with pytest.raises(ValueError, match="opId -3"):
        decode_operation(encode_operation(m.DetPrp(opId=-3, epEui=1)), -4)
