"""Batches of events as JSON objects: those of the wanted kinds, and those that cannot be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from bssci.model import AnyEvent
from bssci.model.event_json import event_json, kind_of
from bssci.settings.parsers import Parser
from bssci.sinks.set_aside import SetAside

KINDS = tuple(str(each.__struct_config__.tag) for each in get_args(AnyEvent))
"""kinds of events that this version knows"""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class EncodedEvent:
    """An event and its JSON object, without a line break in it."""

    event: Any
    json: bytes


@dataclass(frozen=True)
class EncodedBatch:
    """The encoded events of a batch in its order, and the events that cannot be encoded, with the reason."""

    events: Sequence[EncodedEvent]
    refused: Sequence[tuple[Any, str]]

    def set_aside(self, by: SetAside) -> None:
        """Count what cannot be encoded. Call it when the rest was taken, so that no repetition counts it
        twice."""
        for event, reason in self.refused:
            by.add(event, reason)


def encode_batch(batch: Sequence[Any], kinds: frozenset[str]) -> EncodedBatch:
    """Encode each event on its own.

    :param kinds: kinds of events that are wanted; empty: all, also those that this version does not know.
    """
    events: list[EncodedEvent] = []
    refused: list[tuple[Any, str]] = []
    for event in batch:
        try:
            if not kinds or kind_of(event) in kinds:
                events.append(EncodedEvent(event, _encode(event_json(event))))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            refused.append((event, f"it cannot be written as JSON: {error}"))
    return EncodedBatch(events, refused)


def parse_kinds(text: str) -> frozenset[str]:
    """Return the kinds of events that a setting names, separated by commas; none: all kinds.

    :raises ValueError: a kind is unknown.
    """
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not names <= frozenset(KINDS):
        raise ValueError
    return names


EVENT_KINDS = Parser(parse_kinds, f"some of {', '.join(KINDS)}; may be empty for all")
"""parser of a setting that chooses kinds of events"""
