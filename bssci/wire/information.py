"""Texts and maps in which a peer describes itself or its state, cut to a size fit for storing and forwarding.

Of a map (``info``, ``config``) entries are kept in their order until the size is reached: values that JSON
cannot express are refused, entries that do not fit are left out.
"""

from __future__ import annotations

import math
from typing import Any

MAX_TEXT = 200
"""characters of a text; the rest is cut off"""
MAX_MAP = 4096
"""bytes of a map, as JSON and approximately; entries that do not fit are left out"""
MAX_DEPTH = 8
"""levels of nested maps and lists; an entry that is nested more deeply is left out"""

_INTEGERS = range(-(2**63), 2**64)
_MARKS = 2
"""bytes that quotes, brackets and separators add to a value, approximately"""


def cut_text(text: str | None) -> str | None:
    """Return the first ``MAX_TEXT`` characters of a text; None for None."""
    return text if text is None or len(text) <= MAX_TEXT else text[:MAX_TEXT]


def plain_map(sent: dict[str, Any]) -> dict[str, object]:
    """Return a copy of a map that holds only JSON values, within the bounds of this module.

    Texts are cut, MessagePack ``bin`` becomes a list of integers, entries without a string as name are left
    out.

    :raises ValueError: it holds an integer of more than 64 bits, a number that is not finite, or a
        MessagePack extension, such as a timestamp.
    """
    copier = _Copier()
    kept: dict[str, object] = {}
    for name, value in sent.items():
        try:
            copier.entry(kept, name, value, depth=1)
        except _DoesNotFitError:
            if copier.room <= 0:
                break
    return kept


class _DoesNotFitError(Exception):
    """An entry is too long or too deep."""


class _Copier:
    """Copies values as long as there is room.

    :ivar room: bytes that are left. It only falls, also for entries that are left out, so that the work is
        bounded, not only the result.
    """

    def __init__(self) -> None:
        self.room = MAX_MAP

    def entry(self, kept: dict[str, object], name: object, value: object, depth: int) -> None:
        """Copy one entry of a map into ``kept``."""
        if isinstance(name, str):
            self._take(len(name))
            kept[name[:MAX_TEXT]] = self._value(value, depth)
        else:
            self._take(0)

    def _take(self, size: int) -> None:
        self.room -= size + _MARKS
        if self.room < 0:
            raise _DoesNotFitError

    def _value(self, value: object, depth: int) -> object:
        match value:
            case None | bool():
                self._take(4)
            case int():
                if value not in _INTEGERS:
                    raise ValueError("an integer has more than 64 bits")
                self._take(len(str(value)))
            case float():
                if not math.isfinite(value):
                    raise ValueError("a number is not finite")
                self._take(len(repr(value)))
            case str():
                value = value[:MAX_TEXT]
                self._take(len(value))
            case bytes():
                self._take(4 * len(value))
                return list(value)
            case list() | dict():
                return self._several(value, depth)
            case _:
                raise ValueError("a MessagePack extension, such as a timestamp, is not allowed")
        return value

    def _several(self, values: list[object] | dict[object, object], depth: int) -> object:
        if depth >= MAX_DEPTH:
            raise _DoesNotFitError
        self._take(0)
        if isinstance(values, list):
            return [self._value(value, depth + 1) for value in values]
        kept: dict[str, object] = {}
        for name, value in values.items():
            self.entry(kept, name, value, depth + 1)
        return kept
