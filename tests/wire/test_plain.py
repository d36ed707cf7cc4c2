"""A payload as plain objects; of a broken one, what stands before the break."""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]
import pytest

from bssci.wire.codec import Codec
from bssci.wire.errors import ErrorCode, FramingError, ProtocolError
from bssci.wire.messages import (
    Con,
    Ping,
)
from bssci.wire.plain import holds_extension
from tests.support.wire import connect, map_of, pack, uplink
from tests.wire.codecs import BOTH, JSON, MSGPACK, refusal


def test_a_truncated_map_still_names_its_operation() -> None:
    whole = MSGPACK.encode_payload(uplink(31))
    error = refusal(whole[:-1])
    assert (error.code, error.op_id, isinstance(error, FramingError)) == (ErrorCode.EPROTO, 31, False)
    assert refusal(whole[:20]).op_id is None


def test_truncated_json_still_names_its_operation() -> None:
    error = refusal(b'{ "info" : {"opId":1}, "opId" : 31 , "command":"ulData","epEui":', JSON)
    assert (error.code, error.op_id, isinstance(error, FramingError)) == (ErrorCode.EPROTO, 31, False)
    assert refusal(b'{"opId":31', JSON).op_id is None
    assert refusal(b"{}", JSON).code == ErrorCode.EPROTO


@BOTH
def test_bytes_behind_the_map_are_malformed(codec: Codec) -> None:
    error = refusal(codec.encode_payload(Ping(opId=8)) + b"\x01", codec)
    assert (error.code, error.op_id) == (ErrorCode.EPROTO, 8)


@pytest.mark.parametrize(
    "length",
    [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"],
)
@pytest.mark.parametrize("field", ["userData", "unknown"])
def test_a_huge_declared_length(field: str, length: bytes) -> None:
    name = bytes([0xA0 + len(field)]) + field.encode()
    error = refusal(b"\x83\xa7command\xa6ulData\xa4opId\x09" + name + length)
    assert (error.code, error.op_id) == (ErrorCode.EPROTO, 9)


@BOTH
@pytest.mark.parametrize("depth", [900, 15_000])
def test_deep_nesting_is_read_or_refused_with_the_op_id(codec: Codec, depth: int) -> None:
    if codec is MSGPACK:
        payload = b"\x83\xa7command\xa4ping\xa4opId\x09\xa1x" + b"\x91" * depth + b"\x01"
    else:
        payload = b'{"command":"ping","opId":9,"x":' + b"[" * depth + b"]" * depth + b"}"
    try:
        assert codec.decode(payload) == Ping(opId=9)
    except ProtocolError as error:
        assert (error.code, error.op_id) == (ErrorCode.EPROTO, 9)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"command":"ping","opId":9,"x":NaN}',
        b'{"command":"ping","opId":9,"x":"\\ud800"',
        b'{"command":"ping","opId":9,"x":"\xff"',
        b'{"command":"ping","opId":9,"x":' + b"9" * 6000 + b"",
        b'{"command":"ping","opId":9,1:1}',
        b'{"command":"ping","opId":9,}',
    ],
)
def test_malformed_json_is_refused_with_the_op_id(payload: bytes) -> None:
    error = refusal(payload, JSON)
    assert (error.code, error.op_id) == (ErrorCode.EPROTO, 9)


def test_keys_that_are_no_strings_are_unknown_fields() -> None:
    plain = {1: 2, b"x": 3, None: 4} | dict[object, object](map_of(Ping(opId=9)))
    assert MSGPACK.decode(pack(plain)) == Ping(opId=9)
    assert MSGPACK.decode(b"\x83\x91\x01\x02\xa7command\xa4ping\xa4opId\x09") == Ping(opId=9)


def test_names_that_are_no_strings_are_left_out_of_maps_that_need_repair() -> None:
    names = (b"\x91\x01", b"\x80", b"\xc4\x01x", b"\x07", b"\xd4\x05\x01")
    info = b"\x86\xa1a\x02" + b"".join(name + b"\x01" for name in names)
    plain = map_of(connect(info={"a": 1}, snBsUuid=list(range(16)))) | {"info": "@@@@", "bidi": 1}
    message = MSGPACK.decode(pack(plain).replace(pack("@@@@"), info))
    assert isinstance(message, Con) and message.info == {"a": 2}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([1, {"a": [2.5, "b", b"c", None]}], False),
        (msgpack.Timestamp(1), True),
        ([{"a": [msgpack.ExtType(5, b"x")]}], True),
    ],
)
def test_an_extension_is_found_wherever_it_is(value: object, found: bool) -> None:
    assert holds_extension(value) is found


def test_the_last_of_duplicate_keys_counts() -> None:
    assert MSGPACK.decode(b"\x83\xa4opId\x08\xa7command\xa4ping\xa4opId\x09") == Ping(opId=9)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (msgpack.Timestamp(1), True),
        ([1, {"a": [msgpack.ExtType(5, b"x")]}], True),
        ([[[]]] * 70_000 + [[msgpack.Timestamp(1)]], False),
        ([1] * 70_000 + [msgpack.ExtType(5, b"x")], True),
        ({"a": [1, "b", None, 1.5]}, False),
        ("text", False),
    ],
)
def test_an_extension_is_found_among_a_bounded_number_of_lists_and_maps(value: object, found: bool) -> None:
    assert holds_extension(value) is found
