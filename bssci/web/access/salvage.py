"""Entries of a damaged file of accounts: one that cannot be read costs itself only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_DAMAGED = "\N{REPLACEMENT CHARACTER}"


def readable_objects(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the innermost JSON objects of a damaged file, as far as they are whole and UTF-8."""
    text = data.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    begin = text.rfind("{")
    end = len(text)
    found: list[dict[str, Any]] = []
    while begin >= 0:
        # From behind: an object that holds others is longer than the piece up to the next one.
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
