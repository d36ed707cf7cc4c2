"""Parsing of a payload to plain objects; of a malformed one, the part before the fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice
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
"""errors that the libraries raise for malformed, truncated, too deeply nested and mistyped input"""

_MAX_ARRAY = 1 << 16
"""elements of an array; payloads that need repair are small, and a hostile one must not take long"""
_TOO_LONG = "max_array_len"
"""part of msgpack's error text for an array of more than ``_MAX_ARRAY`` elements"""
_EXTENSIONS = {msgpack.ExtType, msgpack.Timestamp}
_CONTAINERS = {list, dict}
_MAX_DIGITS = 400
"""digits of an integer that are read; Python itself refuses some thousands, and no valid field needs 21"""
_WHITESPACE = re.compile(r"[ \t\r\n]*")


class Plain(NamedTuple):
    """The readable part of a payload."""

    fields: dict[str, Any]
    """values by name, the last one of a repeated name; names that are not strings are left out"""
    fault: str | None = None
    """reason for which ``fields`` may be incomplete; None if the payload was complete"""
    code: ErrorCode = ErrorCode.EPROTO
    """error code of the fault"""


def read_msgpack(payload: bytes) -> Plain:
    """Read ``payload`` as a MessagePack map, replacing bytes of texts that are not UTF-8."""
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
        return Plain(fields, "the payload continues after its MessagePack map")
    return Plain(fields)


def _named_members(members: Iterable[tuple[object, Any]]) -> dict[str, Any]:
    """Return the members of a map whose names are strings; others may be of no use as keys."""
    return {name: value for name, value in members if isinstance(name, str)}


def holds_extension(value: object) -> bool:
    """Return whether a MessagePack extension, such as a timestamp, is in a value that was read.

    Only the first ``_MAX_ARRAY`` lists and maps are searched.
    """
    waiting: list[Any] = [[value]]
    for container in waiting:
        elements = container.values() if type(container) is dict else container
        kinds = set(map(type, elements))
        if not kinds.isdisjoint(_EXTENSIONS):
            return True
        if not kinds.isdisjoint(_CONTAINERS):
            inner = (each for each in elements if type(each) in _CONTAINERS)
            waiting += islice(inner, _MAX_ARRAY - len(waiting))
    return False


class _Anything(msgspec.Struct):
    """A map with any names, whose values are skipped."""


_skim = msgspec.msgpack.Decoder(_Anything).decode


def _is_whole(payload: bytes) -> bool:
    """Return whether a MessagePack map is complete, without building its values."""
    try:
        _skim(payload)
    except BROKEN:
        return False
    return True


def read_plain(payload: bytes) -> Plain:
    """Read ``payload`` as a JSON object, replacing bytes of texts that are not UTF-8."""
    try:
        return Plain(msgspec.json.decode(payload, type=dict[str, Any]))
    except BROKEN:
        fields: dict[str, Any] = {}
        try:
            _read_members(payload.decode(errors="replace"), fields)
            json.dumps(fields, ensure_ascii=False).encode()  # refuses lone surrogates
        except BROKEN:  # ``fields`` holds the members before the fault
            return Plain(fields, "the JSON object is malformed or incomplete")
        return Plain(fields)  # msgspec refused no more than numbers out of range or text that is not UTF-8


def _parse_integer(digits: str) -> int:
    return int(digits[:_MAX_DIGITS])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_READ_VALUE = json.JSONDecoder(parse_int=_parse_integer, parse_constant=_refuse_constant).raw_decode


def _read_members(text: str, fields: dict[str, Any]) -> None:
    """Read the members of a JSON object into ``fields``, one by one.

    :raises ValueError: it is malformed; ``fields`` then holds the members before the fault.
    """
    separator, position = _expect(text, 0, "{")
    while separator in "{,":
        name, position = _READ_VALUE(text, position)
        _, position = _expect(text, position, ":")
        value, position = _READ_VALUE(text, position)
        separator, position = _expect(text, position, ",}")
        if not isinstance(name, str):
            raise ValueError("a name is not a string")
        fields[name] = value
    if position != len(text):
        raise ValueError("the payload continues after its object")


def _expect(text: str, position: int, allowed: str) -> tuple[str, int]:
    """Return the character at ``position``, which must be one of ``allowed``, and the position after it.

    White space before and after the character is skipped.
    """
    position = _after_space(text, position)
    found = text[position : position + 1]
    if not found or found not in allowed:
        raise ValueError(f"one of {allowed} is missing")
    return found, _after_space(text, position + 1)


def _after_space(text: str, position: int) -> int:
    space = _WHITESPACE.match(text, position)
    return space.end() if space else position
