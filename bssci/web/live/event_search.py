"""Search of events by text, in everything that they contain: as in their JSON, or as pages show it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

DECODED = ("decoder", "components", "decodeError", "decodeWarnings", "values")
"""fields of decoded events"""
_TYPED = str.maketrans({"\N{NARROW NO-BREAK SPACE}": " ", "\N{NO-BREAK SPACE}": " ", "\N{MINUS SIGN}": "-"})
"""characters of a keyboard for those that pages show"""
_OCTETS = re.compile(r'"((?:[0-9a-f]{2})+)"')
_SEPARATORS = re.compile(r"0x|[\s:-]")
_BYTES = re.compile(r"(?:0x)?[0-9a-f]{2}(?:[\s:-]*(?:0x)?[0-9a-f]{2})*")
_encode = msgspec.json.Encoder().encode


def text_of(event: Mapping[str, Any]) -> str:
    """Return the text of an event that is searched: without readings, as stored events have none.

    :param event: as :func:`bssci.web.live.event_json.event_dict` describes it.
    """
    json = _plain(_encode({name: value for name, value in event.items() if name not in DECODED}).decode())
    shown = [event["kind"].replace("-", " "), event["title"], *event["names"].values()]
    octets_shown = [bytes.fromhex(digits).hex(" ") for digits in _OCTETS.findall(json)]
    return "\n".join([json, *map(_plain, shown), *octets_shown])


def wanted(query: str) -> tuple[str, ...]:
    """Return the alternatives of a query, one of which an event must contain; none if all events are wanted.

    Bytes and EUIs are found in every notation: ``0a1b``, ``0A 1B``, ``0x0a1b``, ``0A:1B``. Each byte
    has two digits, so ``-9`` and ``10 1`` are not bytes.
    """
    typed = _plain(query.strip())
    digits = _SEPARATORS.sub("", typed)
    if digits != typed and _BYTES.fullmatch(typed):
        return typed, bytes.fromhex(digits).hex(" ")
    return (typed,) if typed else ()


def contains(text: str, needles: tuple[str, ...]) -> bool:
    """Return whether a text contains one of the needles."""
    return any(each in text for each in needles)


def _plain(text: str) -> str:
    return text.translate(_TYPED).lower()
