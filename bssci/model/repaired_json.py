"""JSON with single values that the standard, UTF-8 or 64 bits do not allow: they cost themselves only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bssci.model.storable_text import REPLACEMENT
from bssci.model.strict_json import JsonError, check_depth

MOST = 10
"""faults of one message that are described; further ones are repaired, too"""
LONGEST_PLACE = 60
"""characters of the place of a value that are kept"""
LOWEST, HIGHEST = -(1 << 63), (1 << 64) - 1
"""range of the whole numbers that can be stored"""
_NOT_FINITE = "is no finite number, and kept as null"
_ROUNDED = "is rounded, because it is a whole number of more than 64 bits"
_NO_UTF8 = "is not all UTF-8, and kept with U+FFFD for the rest"
_TEXT_OR_WORD = re.compile(r'"(?:[^"\\]|\\.?)*+"?|-?(?P<word>nan|inf(?:inity)?)\b', re.IGNORECASE | re.DOTALL)
"""a text, also one without an end, or a word that stands for what is no finite number"""
_HALF = re.compile("[\ud800-\udfff]")
_DIGITS = 400
"""digits above which a number is beyond all floats"""


def read_repaired_json(data: bytes) -> tuple[Any, list[str]]:
    """Return the value of a JSON text, and what was wrong in it, one line for each.

    NaN and infinity in every spelling are read, numbers of any length, control characters in texts, a byte
    order mark, and bytes that are not UTF-8.

    :raises JsonError: the text is not JSON in other respects.
    """
    # Bytes that are not UTF-8 become halves of surrogate pairs, which are found by their place below.
    text = data.decode("utf-8-sig", "surrogateescape")
    text = _TEXT_OR_WORD.sub(lambda found: "NaN" if found["word"] else found[0], text)
    try:
        value = json.loads(text, strict=False, parse_int=_whole_number)
        check_depth(value, text.count("[") + text.count("{"))
        return repaired(value)
    except RecursionError:
        raise JsonError("JSON nested too deeply") from None
    except ValueError:
        raise JsonError("not JSON") from None


def repaired(value: Any) -> tuple[Any, list[str]]:
    """Return a value of JSON in which everything can be stored, and what was wrong, one line for each.

    A line begins with the place of the value: ``sensors[2].temperature``.

    :raises RecursionError: it is nested too deeply.
    """
    faults: list[str] = []

    def note(place: str, fault: str) -> None:
        if len(faults) < MOST:
            faults.append(f"{(place or 'the message').strip('.')[:LONGEST_PLACE]} {fault}")

    def mended(each: Any, place: str) -> Any:
        if isinstance(each, Mapping):
            return dict(_members(each, place[: LONGEST_PLACE + 1]))
        if isinstance(each, list | tuple):
            place = place[: LONGEST_PLACE + 1]  # a long name would be copied for each item
            return [mended(inner, f"{place}[{number}]") for number, inner in enumerate(each)]
        fit, fault = _fit(each)
        if fault:
            note(place, fault)
        return fit

    def _members(given: Mapping[Any, Any], place: str) -> Iterator[tuple[Any, Any]]:
        for name, inner in given.items():
            fit, fault = _fit(name) if isinstance(name, str) else (name, "")
            if fault:
                note(f"{place}.{fit}", fault)
            yield fit, mended(inner, f"{place}.{fit}")

    return mended(value, ""), faults


def _fit(value: Any) -> tuple[Any, str]:
    """Return a plain value as it can be stored, and what was wrong with it; empty: nothing."""
    if isinstance(value, str) and _HALF.search(value):
        return _HALF.sub(REPLACEMENT, value), _NO_UTF8
    if isinstance(value, float) and not math.isfinite(value):
        return None, _NOT_FINITE
    if type(value) is int and not LOWEST <= value <= HIGHEST:
        try:
            return float(value), _ROUNDED
        except OverflowError:
            return None, _NOT_FINITE
    return value, ""


def _whole_number(digits: str) -> int | float:
    # Python refuses thousands of digits.
    return int(digits) if len(digits) <= _DIGITS else math.inf
