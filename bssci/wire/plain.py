"""A payload as plain objects; of a broken one, what stands before the break."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]
import msgspec

BROKEN = (
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,
    msgspec.MsgspecError,
    msgpack.UnpackException,
)
"""what the libraries raise for malformed, truncated, too deeply nested and mistyped input"""

_MAX_ARRAY = 1 << 16
"""elements; what needs repair is small, and a hostile payload must not take long"""
_WHITESPACE = re.compile(r"[ \t\r\n]*")


class Plain(NamedTuple):
    """What could be read."""

    fields: dict[str, Any]
    """the last value of each name; names that are no strings are left out"""
    fault: str | None = None
    """why ``fields`` may not be all"""


def read_msgpack(payload: bytes) -> Plain:
    """Read the MessagePack map that ``payload`` is; what is no UTF-8 in a text is replaced."""
    unpacker = msgpack.Unpacker(
        max_buffer_size=max(len(payload), 1),
        max_array_len=_MAX_ARRAY,
        strict_map_key=False,
        unicode_errors="replace",
    )
    unpacker.feed(payload)
    fields: dict[str, Any] = {}
    try:
        for _ in range(unpacker.read_map_header()):
            name, value = unpacker.unpack(), unpacker.unpack()
            if isinstance(name, str):
                fields[name] = value
    except BROKEN:
        return Plain(fields, "the MessagePack map is malformed or incomplete")
    if unpacker.tell() != len(payload):
        return Plain(fields, "the payload goes on behind its MessagePack map")
    return Plain(fields)


def read_json(payload: bytes) -> Plain:
    """Read the JSON object that ``payload`` is."""
    try:
        return Plain(msgspec.json.decode(payload, type=dict[str, Any]))
    except BROKEN:
        fields: dict[str, Any] = {}
        with suppress(*BROKEN):  # what stands before the break is then in fields
            _read_members(payload.decode(errors="replace"), fields)
        return Plain(fields, "the JSON object is malformed or incomplete")


def _read_members(text: str, fields: dict[str, Any]) -> None:
    """Read the members of a JSON object into ``fields``, one by one.

    :raises ValueError: where it is malformed, after the members before.
    """
    read = json.JSONDecoder().raw_decode
    separator, position = _expect(text, 0, "{")
    while separator in "{,":
        name, position = read(text, position)
        _, position = _expect(text, position, ":")
        value, position = read(text, position)
        separator, position = _expect(text, position, ",}")
        if isinstance(name, str):
            fields[name] = value


def _expect(text: str, position: int, allowed: str) -> tuple[str, int]:
    """One of the allowed characters, and where what follows it begins."""
    position = _after_space(text, position)
    found = text[position : position + 1]
    if not found or found not in allowed:
        raise ValueError(f"one of {allowed} is missing")
    return found, _after_space(text, position + 1)


def _after_space(text: str, position: int) -> int:
    space = _WHITESPACE.match(text, position)
    return space.end() if space else position
