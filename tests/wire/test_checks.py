"""What a field may hold, for every field of every message in both encodings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from bssci.wire.codec import Codec
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.fields import MAX_COUNTERS, MAX_MODE, MAX_SUBPACKETS, MAX_TELEGRAM, MAX_USER_DATA
from bssci.wire.messages import Con, Message, Ping, UlData
from bssci.wire.operations import CLASSES
from tests.support.cases import case
from tests.support.wire import map_of, pack, uplink
from tests.wire.codecs import BOTH, JSON, MSGPACK
from tests.wire.whole_messages import OP_ID, command, fields_of, refusal, whole, written

UNSIGNED = {
    64: "bsEui scEui epEui rxTime rxDuration time queId txTime trxTime sysTime",
    32: "packetCnt lastPacketCnt pattNum crc macTypes vm.activate.macType vm.deactivate.macType",
    24: "attachCnt",
    16: "shAddr",
    8: "nonce sign nwkSnKey userData format vm.ulData.macType carrSpace pattGrp snBsUuid snScUuid",
}
"""Bits of a field, or of each of its elements, as the specification names them."""
TAKEN_SIGNED = {"bsEui", "scEui", "epEui", "snBsUuid", "snScUuid"}
"""Fields that stations send as signed integers of the same width."""
SIGNED = {"opId", "snBsOpId", "snScOpId", "code"}
"""Signed integers of 64 bits."""


class Field(NamedTuple):
    """A number of a message, in a field or in a list in it."""

    kind: type[Message]
    name: str
    path: tuple[str | int, ...]
    integer: bool

    @property
    def range(self) -> range:
        """The integers that are allowed."""
        if self.name in SIGNED:
            return range(-(2**63), 2**63)
        [bits] = [
            bits
            for bits, names in UNSIGNED.items()
            if self.name in names.split() or f"{command(self.kind)}.{self.name}" in names.split()
        ]
        return range(1 << bits)


def numbers(kind: type[Message]) -> Iterator[Field]:
    for field in fields_of(kind):
        yield from _numbers(kind, field.encode_name, (field.encode_name,), field.type)


def _numbers(
    kind: type[Message], name: str, path: tuple[str | int, ...], declared: inspect.Type
) -> Iterator[Field]:
    match declared:
        case inspect.Metadata(type=inner):
            yield from _numbers(kind, name, path, inner)
        case inspect.UnionType(types=types):
            for inner in types:
                yield from _numbers(kind, name, path, inner)
        case inspect.ListType(item_type=item):
            yield from _numbers(kind, name, (*path, 0), item)
        case inspect.StructType(fields=fields):
            for field in fields:
                yield from _numbers(kind, field.encode_name, (*path, field.encode_name), field.type)
        case inspect.IntType() | inspect.FloatType():
            yield Field(kind, name, path, isinstance(declared, inspect.IntType))


NUMBERS = [number for kind in CLASSES for number in numbers(kind)]
INTEGERS = [number for number in NUMBERS if number.integer]
FLOATS = [number for number in NUMBERS if not number.integer and number.path[0] != "subpackets"]


def spoiled(codec: Codec, field: Field, value: object, literal: str | None = None) -> bytes:
    """A whole message whose one number is another value; ``literal`` is JSON for what Python cannot write."""
    plain = whole(field.kind)
    place: Any = plain
    for step in field.path[:-1]:
        place = place[step]
    place[field.path[-1]] = "@" if literal else value
    return written(codec, plain).replace(b'"@"', (literal or "").encode())


def read(message: Message, field: Field) -> Any:
    value: Any = message
    for step in field.path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def assert_out_of_range(codec: Codec, field: Field, payload: bytes) -> None:
    with case(field, payload):
        error = refusal(codec, payload)
        assert error.code == ErrorCode.EINVAL, error.message
        assert field.name in error.message
        assert error.command == command(field.kind)
        if field.name != "opId":
            assert error.op_id == OP_ID


def test_the_table_names_every_integer_once() -> None:
    assert len(INTEGERS) > 100
    for field in INTEGERS:
        assert field.range


@BOTH
def test_a_whole_message_is_taken(codec: Codec) -> None:
    for kind in CLASSES:
        with case(kind):
            assert type(codec.decode(written(codec, whole(kind)))) is kind


@BOTH
def test_the_bounds_of_an_integer(codec: Codec) -> None:
    for field in INTEGERS:
        for value in (field.range[0], field.range[-1]):
            with case(field, value):
                message = codec.decode(spoiled(codec, field, value))
                assert read(message, field) == value
                assert codec.decode(codec.encode_payload(message)) == message


@BOTH
def test_an_integer_out_of_range(codec: Codec) -> None:
    for field in INTEGERS:
        beyond: list[float] = [1e20, -1e20, 1e308, -1e308, 2.0**64, -(2.0**64)]
        for value in (field.range[0] - 1, field.range[-1] + 1):
            is_tolerated = field.name in TAKEN_SIGNED and value == -1
            if not is_tolerated and (codec is JSON or -(2**63) <= value < 2**64):
                beyond.append(value)
        for number in beyond:
            assert_out_of_range(codec, field, spoiled(codec, field, number))


def test_an_integer_that_is_not_finite() -> None:
    for field in INTEGERS:
        for value in (float("nan"), float("inf"), float("-inf")):
            assert_out_of_range(MSGPACK, field, spoiled(MSGPACK, field, value))


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1" + "0" * 30, "-1" + "0" * 5000, "9" * 5000])
def test_an_integer_that_only_json_can_write(literal: str) -> None:
    for field in INTEGERS:
        assert_out_of_range(JSON, field, spoiled(JSON, field, None, literal))


@BOTH
def test_signed_euis_and_uuid_bytes(codec: Codec) -> None:
    for field in INTEGERS:
        if field.name in TAKEN_SIGNED:
            half = (field.range[-1] + 1) // 2
            assert read(codec.decode(spoiled(codec, field, -1)), field) == field.range[-1]
            assert read(codec.decode(spoiled(codec, field, -half)), field) == half
            assert_out_of_range(codec, field, spoiled(codec, field, float(-half * 4)))


def test_a_number_that_is_not_finite() -> None:
    for field in FLOATS:
        for value in (float("nan"), float("inf"), float("-inf")):
            assert_out_of_range(MSGPACK, field, spoiled(MSGPACK, field, value))
        for literal in ("1e400", "-1e400", "9" * 5000):
            assert_out_of_range(JSON, field, spoiled(JSON, field, None, literal))
        for literal in ("NaN", "Infinity"):  # is no JSON
            error = refusal(JSON, spoiled(JSON, field, None, literal))
            assert (error.code, error.op_id) == (ErrorCode.EPROTO, OP_ID)


def test_what_is_no_number() -> None:
    for field in (field for field in NUMBERS if field.name != "opId"):
        for codec in (MSGPACK, JSON):
            values: tuple[object, ...] = ("1", True, {}, [[1]])
            for value in values:
                error = refusal(codec, spoiled(codec, field, value))
                assert (error.code, error.op_id) == (ErrorCode.EPROTO, OP_ID)


EXTENSIONS = [
    pytest.param(b"\xc7\x01\x05x", id="unknown"),
    pytest.param(b"\xd6\xff\x00\x00\x00\x01", id="timestamp"),
    pytest.param(b"\xc7\x0c\xff" + b"\xff" * 12, id="timestamp out of range"),
    pytest.param(b"\xc7\x05\xff12345", id="timestamp of another length"),
]


def with_extension(plain: dict[str, Any], inserted: bytes) -> bytes:
    return pack(plain).replace(pack("@@@@"), inserted)


@pytest.mark.parametrize("inserted", EXTENSIONS)
def test_a_messagepack_extension_in_any_field_is_out_of_range(inserted: bytes) -> None:
    for kind in CLASSES:
        plain = whole(kind)
        for name in set(plain) - {"command", "opId"}:
            values: list[object] = ["@@@@"]
            values += [["@@@@", *plain[name][1:]]] if isinstance(plain[name], list) else []
            values += [{**plain[name], "a": ["@@@@"]}] if name in ("info", "config") else []
            for value in values:
                with case(kind, name, value):
                    error = refusal(MSGPACK, with_extension(plain | {name: value}, inserted))
                    assert (error.code, error.op_id) == (ErrorCode.EINVAL, OP_ID)


def test_a_messagepack_extension_where_nobody_looks_is_no_fault() -> None:
    for kind in (Con, UlData):
        for changes in ({"new": "@@@@"}, {"new": {"a": ["@@@@"]}}, {"@@@@": 1}):
            # A flag as a number takes the way of messages that need repair.
            for plain in (whole(kind), whole(kind) | ({"bidi": 1} if kind is Con else {"dlOpen": 1})):
                payload = with_extension(plain | changes, b"\xd6\xff\x00\x00\x00\x01")
                assert MSGPACK.decode(payload) == MSGPACK.decode(pack(whole(kind)))


@BOTH
@pytest.mark.parametrize(
    ("name", "most"),
    [("ulData", MAX_USER_DATA), ("ulDataTx", MAX_USER_DATA), ("vm.ulData", MAX_TELEGRAM)],
)
def test_user_data_is_no_longer_than_what_can_be_sent(name: str, most: int, codec: Codec) -> None:
    [kind] = [kind for kind in CLASSES if command(kind) == name]
    assert codec.decode(written(codec, whole(kind) | {"userData": [1] * most}))
    for length in (most + 1, 70_000):
        error = refusal(codec, written(codec, whole(kind) | {"userData": [1] * length}))
        assert (error.code, error.op_id) == (ErrorCode.EINVAL, OP_ID)


def test_long_user_data_as_bin_and_before_the_op_id() -> None:
    for data in (bytes(256), bytes(1_000_000), [1] * 70_000):
        fields = map_of(uplink(OP_ID))
        error = refusal(
            MSGPACK, pack({"userData": data} | {k: v for k, v in fields.items() if k != "userData"})
        )
        assert (error.code, error.op_id) == (ErrorCode.EINVAL, OP_ID)


@BOTH
def test_the_entries_of_a_downlink_are_bounded(codec: Codec) -> None:
    plain = whole(next(kind for kind in CLASSES if command(kind) == "dlDataQue"))
    assert codec.decode(written(codec, plain | {"userData": [[1] * MAX_USER_DATA]}))
    too_many = {"userData": [[1]] * (MAX_COUNTERS + 1), "packetCnt": [1] * (MAX_COUNTERS + 1)}
    for changes in ({"userData": [[1] * (MAX_USER_DATA + 1)]}, too_many):
        assert refusal(codec, written(codec, plain | changes)).code == ErrorCode.EINVAL


@BOTH
@pytest.mark.parametrize("name", ["att", "det", "ulData", "vm.ulData"])
def test_subpackets_are_bounded(name: str, codec: Codec) -> None:
    [kind] = [kind for kind in CLASSES if command(kind) == name]
    # The largest number does not fit into the 16 bits of a short array.
    counts = [MAX_SUBPACKETS, MAX_SUBPACKETS + 1, *([70_000] if name == "ulData" else [])]
    for count in counts:
        levels = dict.fromkeys(("snr", "rssi", "frequency", "phase"), [1.5] * count)
        payload = written(codec, whole(kind) | {"subpackets": levels})
        if count <= MAX_SUBPACKETS:
            assert codec.decode(payload)
        else:
            error = refusal(codec, payload)
            assert (error.code, error.op_id) == (ErrorCode.EINVAL, OP_ID)


@BOTH
@pytest.mark.parametrize(
    ("name", "field"), [("att", "profile"), ("det", "profile"), ("ulData", "mode"), ("ulData", "profile")]
)
def test_the_names_of_modes_are_short(name: str, field: str, codec: Codec) -> None:
    [kind] = [kind for kind in CLASSES if command(kind) == name]
    assert codec.decode(written(codec, whole(kind) | {field: "x" * MAX_MODE}))
    for length in (MAX_MODE + 1, 1_000_000):
        error = refusal(codec, written(codec, whole(kind) | {field: "x" * length}))
        assert (error.code, error.op_id) == (ErrorCode.EINVAL, OP_ID)


_leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=300)
    | st.binary(max_size=600)
)
_anything = st.recursive(
    _leaf,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9) | st.binary(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def _check(codec: Codec, payload: bytes, op_id: int) -> None:
    try:
        message = codec.decode(payload)
    except ProtocolError as error:
        assert error.code in (ErrorCode.EINVAL, ErrorCode.EPROTO)
        assert error.op_id == op_id
        assert len(error.message) <= 200
        return
    for encode, decode in (
        (MSGPACK.encode_payload, MSGPACK.decode),
        (JSON.encode_payload, JSON.decode),
    ):
        _same_again(message, encode, decode)
    for field in numbers(type(message)):
        if field.integer and len(field.path) == 1 and (value := getattr(message, field.name)) is not None:
            assert type(value) is int and value in field.range


def _same_again(
    message: Message, encode: Callable[[Message], bytes], decode: Callable[[bytes], Message]
) -> None:
    encoded = encode(message)
    assert encode(decode(encoded)) == encoded


@given(st.sampled_from([kind for kind in CLASSES if kind is not Ping]), st.data())
def test_any_value_in_any_field(kind: type[Message], data: st.DataObject) -> None:
    plain = whole(kind)
    for name in data.draw(
        st.sets(st.sampled_from(sorted(plain.keys() - {"command", "opId"}) or ["x"]), min_size=1)
    ):
        plain[name] = data.draw(_anything)
    _check(MSGPACK, pack(plain), OP_ID)
    try:
        as_json = json.dumps(plain, allow_nan=True)
    except TypeError:  # bytes
        return
    _check(JSON, as_json.encode(), OP_ID)
