"""Recovery of entries from a damaged file of accounts or sessions; only unreadable entries are lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

_DAMAGED = "\N{REPLACEMENT CHARACTER}"


def readable_objects(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the innermost JSON objects of a damaged file that are complete and valid UTF-8."""
    text = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    begin = text.rfind("{")
    end = len(text)
    found: list[dict[str, Any]] = []
    while begin >= 0:
        # From the end: an object that contains others is longer than the piece up to the next brace, so it
        # fails.
        try:
            value, length = decoder.raw_decode(text[begin:end])
        except (ValueError, RecursionError):
            pass
        else:
            if _DAMAGED not in text[begin : begin + length]:
                found.append(value)
        end = begin
        begin = text.rfind("{", 0, begin)
    yield from reversed(found)


class Salvage(NamedTuple):
    """The readable part of a damaged file."""

    entries: dict[type[Any], list[Any]]
    """entries by their kind, in their order"""
    passed_over: int
    """entries that cannot be read, about: where braces are damaged, they cannot be counted"""


def salvage(data: bytes, kinds: Sequence[type[Any]]) -> Salvage:
    """Return the entries of a damaged file that can be read; each is of the first kind that takes it."""
    entries: dict[type[Any], list[Any]] = {kind: [] for kind in kinds}
    taken = 0
    for found in readable_objects(data):
        for kind in kinds:
            with suppress(msgspec.ValidationError):
                entries[kind].append(msgspec.convert(found, kind))
                taken += 1
                break
    is_list = data.lstrip().startswith(b"[")
    return Salvage(entries, max(1, data.count(b"{") - (not is_list) - taken))
