"""Differences between two states of an entry, as the audit log tells people."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from bssci.model.place import COORDINATES

MAX_SHOWN = 60
"""characters of a value, at most"""
NOTHING = "–"
UNITS = {"interval": "s"}
"""unit of the numbers in a field"""
_DIVIDERS = re.compile(r'[;→"]|^\s|\s$|^–$')
"""parts of texts that need quotation marks, as they would read as another field or value, or as none"""
_IN_LISTS = re.compile(rf"{_DIVIDERS.pattern}|,")


def differences(before: Mapping[str, Any], after: Mapping[str, Any], shown: Collection[str]) -> str:
    """Return the fields that differ with the values before and after: ``name: Cellar → Attic; nwKey``.

    :param shown: fields whose values are shown; of others, which may be secret, only the name is.
    """
    changed = [field for field in {**before, **after} if before.get(field) != after.get(field)]
    return "; ".join(
        f"{field}: {change_text(before.get(field), after.get(field), UNITS.get(field, ''))}"
        if field in shown
        else field
        for field in changed
    )


def change_text(before: Any, after: Any, unit: str = "") -> str:
    """Return a value before and after a change: ``water → water, "cellar, left"``."""
    return f"{value_text(before, unit)} → {value_text(after, unit)}"


def value_text(value: Any, unit: str = "") -> str:
    """Return a JSON value as people write it: yes or no, numbers, texts; of a list the items and of an object
    the members, with commas between them; of a place its text and its coordinates.

    Texts that could be misread are in quotation marks, those within them doubled.
    """
    text = _text(value, _DIVIDERS, unit)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def quoted(text: str) -> str:
    """Return a text in quotation marks, those within it doubled."""
    return '"{}"'.format(text.replace('"', '""'))


def _text(value: Any, dividers: re.Pattern[str], unit: str = "") -> str:
    if value is None or value in ("", (), [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return _place(value) or ", ".join(f"{key} {_text(each, _IN_LISTS)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(each, _IN_LISTS) for each in value)
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return quoted(text) if dividers.search(text) else text
    return f"{text} {unit}" if unit else text


def _place(value: Mapping[str, Any]) -> str:
    """Return a place such as ``School (51.0478, 13.7442)``; empty for another object."""
    at = [value[name] for name in COORDINATES if name in value]
    if not value.keys() <= {*COORDINATES, "text"} or len(at) == 1 or not all(map(_is_number, at)):
        return ""
    where = ", ".join(f"{each:.15g}" for each in at)
    text = _text(value["text"], _DIVIDERS) if value.get("text") else ""
    return f"{text} ({where})" if text and where else text or where


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
