"""bssci.wire.codec: payloads to messages and back; nothing but ProtocolError for what is no message."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.wire.codec import MAX_REPAIRED, Codec, Encoding
from bssci.wire.errors import ErrorCode, FramingError, ProtocolError
from bssci.wire.fields import Subpackets
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import AttPrp11, DetPrp, DlDataQue, DlDataRes, Error, Message, Ping, UlDataRsp
from bssci.wire.operations import CLASSES
from tests.support.wire import connect, map_of, messages, pack, uplink
from tests.wire.codecs import BOTH, JSON, MSGPACK, refusal

any_message = st.sampled_from(CLASSES).flatmap(messages)


def spoiled(message: Message, **changes: Any) -> bytes:
    """A message as MessagePack, fields replaced; Ellipsis removes one."""
    return pack({name: value for name, value in (map_of(message) | changes).items() if value is not ...})


def test_a_frame_as_it_is_written() -> None:
    assert MSGPACK.encode(UlDataRsp(opId=5)) == (
        b"MIOTYB01" + bytes([25, 0, 0, 0]) + b"\x82\xa7command\xa9ulDataRsp\xa4opId\x05"
    )
    assert JSON.encode(UlDataRsp(opId=-5))[12:] == b'{"command":"ulDataRsp","opId":-5}'


def test_byte_arrays_go_out_as_arrays_of_integers() -> None:
    assert b"\xa8userData\x93\x01\x02\xcc\xff" in MSGPACK.encode(uplink())


def test_an_acknowledgement_only_downlink_has_no_entries() -> None:
    queued = DlDataQue(opId=-1, epEui=1, queId=2, cntDepend=False, userData=[])
    assert MSGPACK.encode_payload(queued) == pack(
        {"command": "dlDataQue", "opId": -1, "epEui": 1, "queId": 2, "cntDepend": False, "userData": []}
    )


def test_defaults_are_left_out_and_mandatory_fields_never() -> None:
    assert set(msgpack.unpackb(MSGPACK.encode_payload(uplink()))) == {
        *("command", "opId", "epEui", "rxTime", "packetCnt", "snr", "rssi", "userData"),
        *("dlOpen", "responseExp", "dlAck"),
    }
    assert set(msgpack.unpackb(MSGPACK.encode_payload(connect()))) == {
        *("command", "opId", "version", "bsEui", "bidi", "snBsUuid")
    }


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_decode_of_encode_is_the_message(kind: type[Message]) -> None:
    @given(messages(kind))
    def check(message: Message) -> None:
        for codec in (MSGPACK, JSON):
            assert codec.decode(codec.encode_payload(message)) == message
            assert FrameDecoder().feed(codec.encode(message)) == [codec.encode_payload(message)]

    check()


@given(any_message)
def test_both_libraries_read_the_same(message: Message) -> None:
    assert msgpack.unpackb(MSGPACK.encode_payload(message)) == json.loads(JSON.encode_payload(message))


@given(st.lists(any_message, max_size=5), st.lists(st.integers(0, 2000), max_size=9))
def test_any_cut_of_any_sequence_gives_the_same_messages(sent: list[Message], cuts: list[int]) -> None:
    stream = b"".join(map(MSGPACK.encode, sent))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = FrameDecoder()
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    payloads = [payload for piece in pieces for payload in frames.feed(piece)]
    assert [MSGPACK.decode(payload) for payload in payloads] == sent


def test_the_1_1_dialect_is_told_by_its_fields() -> None:
    told = AttPrp11(
        opId=-1,
        epEui=1,
        epClass="a",
        syncBurst=False,
        nwkSnKey=[0] * 16,
        shAddr=1,
        lastPacketCnt=0,
        dualChan=True,
        repetition=False,
        wideCarrOff=False,
        longBlkDist=False,
    )
    assert MSGPACK.decode(MSGPACK.encode_payload(told)) == told
    assert refusal(spoiled(told, epClass="x")).code == ErrorCode.EINVAL


@pytest.mark.parametrize("first", [b"\x80", b"\x8f", b"\xde\x00\x01", b"\xdf\x00\x00\x00\x01"])
def test_messagepack_begins_with_a_map(first: bytes) -> None:
    assert Codec.detect(first).encoding is Encoding.MESSAGEPACK


def test_json_begins_with_a_brace() -> None:
    assert Codec.detect(b'{"command"').encoding is Encoding.JSON


@pytest.mark.parametrize("first", [b"", b"[", b"\x90", b"\xa7command", b" {", b"\xc0"])
def test_anything_else_is_no_connection(first: bytes) -> None:
    with pytest.raises(FramingError):
        Codec.detect(first)


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (MSGPACK, b'{"command":"ping","opId":1}'),
        (MSGPACK, b""),
        (MSGPACK, b"\x93\x01\x02\x03"),
        (JSON, b"\x82\xa7command\xa4ping\xa4opId\x01"),
        (JSON, b"[1]"),
    ],
)
def test_a_payload_that_is_no_map_of_its_encoding_loses_framing(codec: Codec, payload: bytes) -> None:
    assert isinstance(refusal(payload, codec), FramingError)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"epEui": ...}, 71, "ulData: Object missing required field `epEui`"),
        ({"dlOpen": ...}, 71, "dlOpen"),
        ({"userData": None}, 71, "userData"),
        ({"epEui": "70B3D56770111505"}, 71, "ulData: Expected `int`, got `str` at `epEui`"),
        ({"snr": True}, 71, "snr"),
        ({"packetCnt": 1.5}, 71, "packetCnt"),
        ({"userData": "text"}, 71, "userData"),
        ({"userData": [1, "2"]}, 71, "userData[1]"),
        ({"profile": 1}, 71, "profile"),
        ({"subpackets": {"snr": [True], "rssi": [1.0], "frequency": [1.0]}}, 71, "subpackets.snr[0]"),
        ({"subpackets": {"snr": [1.0]}}, 71, "subpackets"),
        ({"packetCnt": -1}, 22, "ulData: Expected `int` >= 0 at `packetCnt`"),
        ({"packetCnt": 1 << 32}, 22, "Expected `int` <= 4294967295 at `packetCnt`"),
        ({"userData": [256]}, 22, "Expected `int` <= 255 at `userData[0]`"),
        ({"userData": [-1]}, 22, "userData[0]"),
        ({"rxTime": -1}, 22, "rxTime"),
        ({"format": 256}, 22, "format"),
        ({"snr": float("nan")}, 22, "snr"),
        ({"rssi": float("-inf")}, 22, "rssi"),
        ({"eqSnr": float("inf")}, 22, "eqSnr"),
        ({"responseExp": True}, 22, "responseExp requires dlOpen"),
        ({"subpackets": {"snr": [1.0], "rssi": [1.0], "frequency": []}}, 22, "same length"),
        ({"subpackets": {"snr": [1.0], "rssi": [], "frequency": [1.0]}}, 22, "same length"),
        ({"subpackets": {"snr": [], "rssi": [], "frequency": [], "phase": [1]}}, 22, "same length"),
    ],
    ids=str,
)
def test_a_wrong_uplink_names_its_field(changes: dict[str, Any], code: int, text: str) -> None:
    error = refusal(spoiled(uplink(77), **changes))
    assert (error.code, error.op_id) == (code, 77)
    assert text in error.message


_QUEUE = {"command": "dlDataQue", "opId": -9, "epEui": 1, "queId": 2, "cntDepend": False, "userData": [[1]]}
_RESULT = {"command": "dlDataRes", "opId": 9, "epEui": 1, "queId": 2, "result": "sent"} | {
    "txTime": 1,
    "packetCnt": 1,
}


@pytest.mark.parametrize(
    ("plain", "changes", "code", "text"),
    [
        (_QUEUE, {"userData": [[1], [2]]}, 22, "2 userData, 1 is allowed"),
        (_QUEUE, {"packetCnt": [1]}, 22, "only with cntDepend"),
        (_QUEUE, {"cntDepend": True}, 71, "packetCnt is missing"),
        (_QUEUE, {"cntDepend": True, "packetCnt": [1, 2]}, 22, "same length"),
        (_QUEUE, {"cntDepend": True, "packetCnt": [1 << 32]}, 22, "packetCnt[0]"),
        (_QUEUE, {"userData": [[1, 300]]}, 22, "userData[0][1]"),
        (_RESULT, {"result": "lost"}, 22, "result"),
        (_RESULT, {"txTime": None}, 71, "txTime"),
        (_RESULT, {"packetCnt": None}, 71, "packetCnt"),
    ],
    ids=str,
)
def test_a_wrong_downlink(plain: dict[str, Any], changes: dict[str, Any], code: int, text: str) -> None:
    MSGPACK.decode(pack(plain))
    error = refusal(pack(plain | changes))
    assert (error.code, error.op_id) == (code, plain["opId"])
    assert text in error.message


@pytest.mark.parametrize(
    "allowed", [{"userData": []}, {"userData": [[]]}, {"cntDepend": True, "packetCnt": [7]}]
)
def test_an_allowed_downlink(allowed: dict[str, Any]) -> None:
    message = MSGPACK.decode(pack(_QUEUE | allowed))
    assert {name: getattr(message, name) for name in allowed} == allowed


def test_an_expired_downlink_has_neither_time_nor_counter() -> None:
    message = MSGPACK.decode(pack(_RESULT | {"result": "expired", "txTime": None, "packetCnt": None}))
    assert message == DlDataRes(opId=9, epEui=1, queId=2, result="expired")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attachCnt", 1 << 24),
        ("nonce", [1, 2, 3]),
        ("sign", [1, 2, 3, 4, 5]),
        ("shAddr", 1 << 16),
        ("sign", [1, 2, 3, 999]),
    ],
)
def test_a_wrong_attach(field: str, value: object) -> None:
    att = {
        "command": "att",
        "opId": 3,
        "epEui": 1,
        "rxTime": 1,
        "attachCnt": 1,
        "snr": 1,
        "rssi": -1,
        "nonce": [0] * 4,
        "sign": [0] * 4,
        "dualChan": True,
        "repetition": False,
        "wideCarrOff": False,
        "longBlkDist": False,
    }
    MSGPACK.decode(pack(att))
    error = refusal(pack(att | {field: value}))
    assert (error.code, error.op_id) == (ErrorCode.EINVAL, 3)
    assert field in error.message


@BOTH
@pytest.mark.parametrize("command", ["vm.x", "rc.x", "nonsense", "", "ULDATA", "x" * 500])
def test_an_unknown_command_is_not_supported(codec: Codec, command: str) -> None:
    plain = {"command": command, "opId": 12, "macType": 1}
    error = refusal(pack(plain) if codec is MSGPACK else json.dumps(plain).encode(), codec)
    assert (error.code, error.op_id) == (ErrorCode.ENOTSUP, 12)
    assert len(error.message) < 100


@pytest.mark.parametrize("plain", [{"opId": 4}, {"opId": 4, "command": 7}, {"opId": 4, "command": None}])
def test_a_missing_command(plain: dict[str, Any]) -> None:
    assert (refusal(pack(plain)).code, refusal(pack(plain)).op_id) == (ErrorCode.EPROTO, 4)


@pytest.mark.parametrize("op_id", [..., None, "1", 1.5, True, [1], 1 << 63])
def test_an_operation_that_cannot_be_known(op_id: object) -> None:
    error = refusal(spoiled(Ping(opId=1), opId=op_id))
    assert error.op_id is None
    assert "opId" in error.message


@pytest.mark.parametrize("field", ["epEui", "rxTime"])
def test_json_integers_end_at_64_bits(field: str) -> None:
    plain = map_of(uplink(5))
    assert JSON.decode(json.dumps(plain | {field: (1 << 64) - 1}).encode())
    error = refusal(json.dumps(plain | {field: 1 << 64}).encode(), JSON)
    assert (error.code, error.op_id) == (ErrorCode.EINVAL, 5)


def test_a_hostile_array_is_not_even_built() -> None:
    error = refusal(spoiled(uplink(9), epEui=1.0, userData=[{}] * 70_000))
    assert (error.code, error.op_id) == (ErrorCode.EINVAL, 9)


def _harmless(codec: Codec, payload: bytes) -> None:
    try:
        message = codec.decode(payload)
    except ProtocolError as error:
        assert isinstance(error.message, str)
        assert error.op_id is None or -(1 << 63) <= error.op_id < 1 << 63
        answer = Error(opId=error.op_id or 0, code=error.code, message=error.message)
        assert codec.decode(codec.encode_payload(answer)) == answer
    else:
        encoded = codec.encode_payload(message)
        assert codec.encode_payload(codec.decode(encoded)) == encoded


@given(st.sampled_from([b"", b"\x80", b"\x81", b"\x8f", b"\xde", b"\xdf", b"{"]), st.binary(max_size=60))
def test_random_bytes_raise_nothing_but_protocol_errors(first: bytes, rest: bytes) -> None:
    for codec in (MSGPACK, JSON):
        _harmless(codec, first + rest)


@given(
    any_message,
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_damaged_messages_raise_nothing_but_protocol_errors(
    message: Message, changes: list[tuple[int, int]], dropped: int
) -> None:
    for codec in (MSGPACK, JSON):
        payload = bytearray(codec.encode_payload(message))
        for position, value in changes:
            payload[position % len(payload)] = value
        _harmless(codec, bytes(payload[: len(payload) - dropped]))


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(any_message, st.data())
def test_messages_with_any_value_in_any_field(message: Message, data: st.DataObject) -> None:
    plain = map_of(message)
    for name in data.draw(st.lists(st.sampled_from(sorted(plain)), min_size=1, max_size=2)):
        plain[name] = data.draw(_anything)
    _harmless(MSGPACK, pack(plain))


def test_subpackets_arrive_as_they_were_sent() -> None:
    message = uplink(
        subpackets=Subpackets(snr=[-36.0, 12.5], rssi=[-120.0, -99.5], frequency=[1e6, 2e6], phase=[0.0, 1.0])
    )
    assert MSGPACK.decode(MSGPACK.encode_payload(message)) == message


def test_unknown_fields_are_ignored() -> None:
    plain = map_of(DetPrp(opId=-3, epEui=1)) | {"future": {"a": [1, None]}, "epClass": "z"}
    assert MSGPACK.decode(pack(plain)) == DetPrp(opId=-3, epEui=1)


def large(codec: Codec, **changes: Any) -> bytes:
    """An uplink of more bytes than are repaired, most of them in a field that nobody knows."""
    fields = map_of(uplink(31)) | changes | {"more": "x" * MAX_REPAIRED}
    return pack(fields) if codec is MSGPACK else json.dumps(fields).encode()


def test_the_longest_uplink_of_a_sensor_is_repaired() -> None:
    levels = [-99.125] * 3 * (24 + 245 - 10)
    message = uplink(
        31,
        userData=[255] * 245,
        subpackets=Subpackets(snr=levels, rssi=levels, frequency=levels, phase=levels),
    )
    assert MSGPACK.decode(pack(map_of(message) | {"packetCnt": float(message.packetCnt)})) == message


@BOTH
def test_a_large_message_is_correct_or_refused_without_a_look_at_its_values(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert codec.decode(large(codec)).opId == 31
    monkeypatch.setattr(codec, "_read", None)
    for name, value in (("userData", [[]]), ("epEui", "x"), ("rssi", None)):
        error = refusal(large(codec, **{name: value}), codec)
        assert (error.code, error.op_id) == (ErrorCode.EINVAL, 31)
        assert f"`{name}" in str(error) and str(MAX_REPAIRED) in str(error)
    assert refusal(large(codec)[:-1], codec).code == ErrorCode.EPROTO
