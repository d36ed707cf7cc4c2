"""Repair of known deviations in real stations' messages, driven by the types that the messages declare.

Used only after a strict decode has refused a payload. The annotation of each field determines its mender,
once, at import:

=====================  =====================================================================================
declared               accepted as well
=====================  =====================================================================================
any type               ``nil``, as an absent field
int                    a float without fraction; infinity and NaN become integers out of range
int sent signed        a negative number of that many bits: the EUI -1 is ffffffffffffffff, the byte -1 is ff
bool                   0 and 1
list of bytes          MessagePack ``bin``
map                    ``""``, as an absent field; names that are not strings, which are left out
=====================  =====================================================================================

Integers where floats are declared, keys in any order and unknown fields need no repair. A value that a mender
cannot repair, and None, is returned unchanged, so that the conversion reports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import inspect

from bssci.wire.errors import ErrorCode
from bssci.wire.messages import Error, Message
from bssci.wire.operations import CLASSES

BEYOND = 1 << 65
"""an integer that no field can hold: stands for infinity and NaN, which are thus refused as out of range"""

Mender = Callable[[Any], Any]
Plan = dict[str, Mender]

# An error message that lacks a field still ends its operation: refusing it would leave both sides waiting.
_MISSING: dict[type[Message], dict[str, object]] = {Error: {"code": int(ErrorCode.EPROTO), "message": ""}}


def _as_it_is(value: Any) -> Any:
    return value


def _integer(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return BEYOND
        return int(value) if value.is_integer() else value
    return value


def _signed_integer(bits: int) -> Mender:
    lowest, mask = -(1 << (bits - 1)), (1 << bits) - 1

    def mend(value: Any) -> Any:
        value = _integer(value)
        return value & mask if isinstance(value, int) and lowest <= value < 0 else value

    return mend


def _boolean(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


def _map(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: element for name, element in value.items() if isinstance(name, str)}
    return None if value == "" else value


def _list(item: Mender) -> Mender:
    def mend(value: Any) -> Any:
        if isinstance(value, bytes):
            return list(value)
        return [item(element) for element in value] if isinstance(value, list) else value

    return mend


def _struct(kind: inspect.StructType) -> Mender:
    plan = _plan(kind)

    def mend(value: Any) -> Any:
        return _mend_fields(value, plan) if isinstance(value, dict) else value

    return mend


def _mender(declared: inspect.Type, extra: Mapping[str, Any]) -> Mender:
    match declared:
        case inspect.Metadata(type=inner):
            return _mender(inner, declared.extra or {})
        case inspect.UnionType(types=types):
            (inner,) = (kind for kind in types if not isinstance(kind, inspect.NoneType))
            return _mender(inner, {})
        case inspect.IntType():
            return _signed_integer(extra["bits"]) if extra.get("signed") else _integer
        case inspect.BoolType():
            return _boolean
        case inspect.DictType():
            return _map
        case inspect.ListType(item_type=item):
            return _list(_mender(item, {}))
        case inspect.StructType():
            return _struct(declared)
        case _:
            return _as_it_is


def _plan(kind: inspect.StructType) -> Plan:
    return {field.encode_name: _mender(field.type, {}) for field in kind.fields}


def _message_plan(kind: type[Message]) -> Plan:
    declared = inspect.type_info(kind)
    assert isinstance(declared, inspect.StructType)
    return _plan(declared)


_PLANS: dict[type[Message], Plan] = {kind: _message_plan(kind) for kind in CLASSES}


def _mend_fields(fields: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Return the declared fields of ``fields``, repaired; absent ones are left out."""
    mended = {}
    for name, mender in plan.items():
        value = mender(fields.get(name))
        if value is not None:
            mended[name] = value
    return mended


def mend(fields: Mapping[str, Any], kind: type[Message]) -> dict[str, Any]:
    """Return the fields of a message, repaired for ``msgspec.convert`` to ``kind``."""
    return {**_MISSING.get(kind, {}), **_mend_fields(fields, _PLANS[kind])}
