"""Messages for tests: samples, and Hypothesis strategies made from the types that the messages declare."""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack  # type: ignore[import-untyped]
import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from bssci.wire.fields import Subpackets
from bssci.wire.messages import Con, DlDataQue, DlDataRes, Message, StatusRsp, UlData

Sampled = TypeVar("Sampled", bound=Message)


def uplink(op_id: int = 1, **changes: Any) -> UlData:
    """An uplink as a station sends it."""
    fields: dict[str, Any] = {
        "epEui": 0x70B3D56770111505,
        "rxTime": 1_721_200_000_123_456_789,
        "packetCnt": 4711,
        "snr": 12.5,
        "rssi": -101.25,
        "userData": [1, 2, 255],
        "dlOpen": False,
        "responseExp": False,
        "dlAck": False,
    }
    return UlData(opId=op_id, **(fields | changes))


def connect(**changes: Any) -> Con:
    """A ``con`` that asks for a new session."""
    fields: dict[str, Any] = {
        "version": "1.0.0",
        "bsEui": 0xCAFE000000000001,
        "bidi": True,
        "snBsUuid": list(range(16)),
    }
    return Con(opId=0, **(fields | changes))


def map_of(message: Message) -> dict[str, Any]:
    """The plain map of a message, to be spoiled by a test."""
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain


def pack(plain: object) -> bytes:
    """Plain objects as MessagePack, by the other library than the one that the project encodes with."""
    packed: bytes = msgpack.packb(plain)
    return packed


def _integers(declared: inspect.IntType, extra: dict[str, Any]) -> st.SearchStrategy[int]:
    highest = (1 << 64) - 1 if extra.get("bits") == 64 else declared.le
    return st.integers(declared.ge, highest)


def _values(declared: inspect.Type, extra: dict[str, Any]) -> st.SearchStrategy[Any]:
    match declared:
        case inspect.Metadata(type=inner):
            return _values(inner, declared.extra or {})
        case inspect.UnionType(types=types):
            return st.one_of([_values(kind, {}) for kind in types])
        case inspect.NoneType():
            return st.none()
        case inspect.IntType():
            return _integers(declared, extra)
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType():
            return st.text(max_size=8)
        case inspect.LiteralType(values=allowed):
            return st.sampled_from(allowed)
        case inspect.DictType():
            values = st.integers(-5, 5) | st.booleans() | st.text(max_size=3)
            return st.dictionaries(st.text(max_size=3), values, max_size=3)
        case inspect.ListType(item_type=item, min_length=least, max_length=most):
            return st.lists(_values(item, {}), min_size=least or 0, max_size=6 if most is None else most)
        case inspect.StructType():
            return st.builds(_subpackets, st.integers(0, 3), st.booleans())
    raise NotImplementedError(declared)


def _subpackets(count: int, phase: bool) -> Subpackets:
    levels = [float(level) for level in range(count)]
    return Subpackets(snr=levels, rssi=levels, frequency=levels, phase=levels if phase else None)


def _consistent(kind: type[Message], fields: dict[str, Any]) -> dict[str, Any]:
    """What the rules between fields ask for (bssci.wire.checks)."""
    if kind is UlData:
        fields["dlOpen"] |= fields["responseExp"]
    elif kind is DlDataQue:
        entries = fields["userData"] if fields["cntDepend"] else fields["userData"][:1]
        counters = list(range(len(entries))) if fields["cntDepend"] else None
        fields |= {"userData": entries, "packetCnt": counters}
    elif kind is DlDataRes and fields["result"] == "sent":
        fields |= {"txTime": fields["txTime"] or 0, "packetCnt": fields["packetCnt"] or 0}
    elif kind in (Con, StatusRsp) and fields["geoLocation"] is not None:
        fields["geoLocation"][0] = fields["geoLocation"][0] or 48.1
    return fields


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Every valid message of a class."""
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    fields = {field.name: _values(field.type, {}) for field in declared.fields}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**_consistent(kind, values)))


def sample(kind: type[Sampled], op_id: int, **changes: Any) -> Sampled:
    """A message of a class with nothing but its mandatory fields."""
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    fields = {field.name: _least(field.type) for field in declared.fields if field.required}
    return kind(**(fields | {"opId": op_id} | changes))


def _least(declared: inspect.Type) -> Any:
    match declared:
        case inspect.Metadata(type=inner):
            return _least(inner)
        case inspect.LiteralType(values=values):
            return values[-1]
        case inspect.ListType(item_type=item, min_length=least):
            return [_least(item)] * (least or 0)
        case inspect.StrType():
            return ""
    return 0
