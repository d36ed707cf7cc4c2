"""A payload as plain objects; of a broken one, what stands before the break."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

import msgpack  # type: ignore[import-untyped]
import msgspec

from bssci.wire.errors import ErrorCode

BROKEN = (
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,
    msgspec.MsgspecError,
    msgpack.UnpackException,
)
"""errors of the libraries for malformed, truncated, too deeply nested and mistyped input"""

_MAX_ARRAY = 1 << 16
"""elements; what needs repair is small, and a hostile payload must not take long"""
_TOO_LONG = "max_array_len"
"""Stands in the error of msgpack for an array of more than ``_MAX_ARRAY`` elements."""
_MAX_DIGITS = 400
"""digits of an integer that are read; Python itself refuses some thousand, and no field holds twenty"""
_WHITESPACE = re.compile(r"[ \t\r\n]*")


class Plain(NamedTuple):
    """The readable part of a payload."""

    fields: dict[str, Any]
    """the last value of each name; names that are no strings are left out"""
    fault: str | None = None
    """reason why ``fields`` may lack members; None if the payload was whole"""
    code: ErrorCode = ErrorCode.EPROTO
    """error code of the fault"""


def read_msgpack(payload: bytes) -> Plain:
    """Read ``payload`` as a MessagePack map; bytes of a text that are no UTF-8 are replaced."""
    unpacker = msgpack.Unpacker(
        max_buffer_size=max(len(payload), 1),
        max_array_len=_MAX_ARRAY,
        strict_map_key=False,
        unicode_errors="replace",
        object_pairs_hook=_named_members,
    )
    unpacker.feed(payload)
    fields: dict[str, Any] = {}
    try:
        for _ in range(unpacker.read_map_header()):
            name, value = unpacker.unpack(), unpacker.unpack()
            if isinstance(name, str):
                fields[name] = value
    except BROKEN as error:
        if not _is_whole(payload):
            return Plain(fields, "the MessagePack map is malformed or incomplete")
        if _TOO_LONG in str(error):
            return Plain(fields, f"an array has more than {_MAX_ARRAY} elements", ErrorCode.EINVAL)
        return Plain(fields, f"a value cannot be read: {str(error)[:80]}", ErrorCode.EINVAL)
    if unpacker.tell() != len(payload):
        return Plain(fields, "the payload goes on behind its MessagePack map")
    return Plain(fields)


def _named_members(members: Iterable[tuple[object, Any]]) -> dict[str, Any]:
    """Return the members of a map whose names are strings; others may be of no use as keys."""
    return {name: value for name, value in members if isinstance(name, str)}


def holds_extension(value: object) -> bool:
    """Return whether a MessagePack extension, such as a timestamp, is in a value that was read."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case msgpack.ExtType() | msgpack.Timestamp():
                return True
            case list() as elements:
                waiting += elements
            case dict() as members:
                waiting += members.values()
    return False


class _Anything(msgspec.Struct):
    """A map of whatever names, none of whose values are looked at."""


_skim = msgspec.msgpack.Decoder(_Anything).decode


def _is_whole(payload: bytes) -> bool:
    """Return whether a MessagePack map is there to its end, as far as can be told without building it."""
    try:
        _skim(payload)
    except BROKEN:
        return False
    return True


def read_plain(payload: bytes) -> Plain:
    """Read ``payload`` as a JSON object; bytes of a text that are no UTF-8 are replaced."""
    try:
        return Plain(msgspec.json.decode(payload, type=dict[str, Any]))
    except BROKEN:
        fields: dict[str, Any] = {}
        try:
            _read_members(payload.decode(errors="replace"), fields)
            json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate pair cannot be written again
        except BROKEN:  # what stands before the break is in fields
            return Plain(fields, "the JSON object is malformed or incomplete")
        return Plain(fields)  # it holds nothing worse than numbers out of range and text that is no UTF-8


def _parse_integer(digits: str) -> int:
    return int(digits[:_MAX_DIGITS])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_READ_VALUE = json.JSONDecoder(parse_int=_parse_integer, parse_constant=_refuse_constant).raw_decode


def _read_members(text: str, fields: dict[str, Any]) -> None:
    """Read the members of a JSON object into ``fields``, one by one.

    :raises ValueError: where it is malformed, after the members before.
    """
    separator, position = _expect(text, 0, "{")
    while separator in "{,":
        name, position = _READ_VALUE(text, position)
        _, position = _expect(text, position, ":")
        value, position = _READ_VALUE(text, position)
        separator, position = _expect(text, position, ",}")
        if not isinstance(name, str):
            raise ValueError("a name is no string")
        fields[name] = value
    if position != len(text):
        raise ValueError("the payload goes on behind its object")


def _expect(text: str, position: int, allowed: str) -> tuple[str, int]:
    """Return one of the allowed characters, and the position where the text after it begins."""
    position = _after_space(text, position)
    found = text[position : position + 1]
    if not found or found not in allowed:
        raise ValueError(f"one of {allowed} is missing")
    return found, _after_space(text, position + 1)


def _after_space(text: str, position: int) -> int:
    space = _WHITESPACE.match(text, position)
    return space.end() if space else position
