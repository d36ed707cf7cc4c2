"""Control characters in texts that people enter, such as names and tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CONTROLS = "must have no control characters"
"""fault of a text that has some"""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""characters that move a terminal's cursor, end a line, or turn the direction of writing"""
_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""these without tabs and ends of lines"""
_LINES = frozenset({"note"})
"""fields of an entry that may have several lines"""
_WORDS = ("name", "model", "decoder", "parent", "port", "note")
"""fields of an entry that are texts"""


def control_fault(text: str, *, has_lines: bool = False) -> str:
    """Return what is wrong with a text that has control characters; empty if it has none.

    :param has_lines: tabs and ends of lines are allowed.
    """
    return CONTROLS if (_IN_LINES if has_lines else _CONTROLS).search(text) else ""


def entered_faults(entry: Mapping[str, Any], kept: Iterable[str] = ()) -> dict[str, str]:
    """Return the fields of a valid entry that have control characters, with the fault; empty if none has.

    :param entry: values by the names of the fields; other fields than texts, tags and location are not
        examined.
    :param kept: texts that are kept already, from a time when everything was taken; they may stay.
    """
    faults: dict[str, str] = {}
    for field, text in _texts(entry):
        fault = control_fault(text, has_lines=field in _LINES)
        if fault and text not in kept:
            faults[field] = fault
    return faults


def texts_of(entry: Mapping[str, Any]) -> set[str]:
    """Return the texts of an entry that :func:`entered_faults` examines."""
    return {text for _, text in _texts(entry)}


def _texts(entry: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for field in _WORDS:
        if isinstance(text := entry.get(field), str):
            yield field, text
    for tag in entry.get("tags") or ():
        yield "tags", tag
    location = entry.get("location")
    if isinstance(location, Mapping) and isinstance(text := location.get("text"), str):
        yield "location", text
