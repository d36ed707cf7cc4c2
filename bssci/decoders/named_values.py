"""Named values that a rule found in a JSON message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from zope.interface import implementer

from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.decoders.quantities import MAX_NAME, normalise
from bssci.model import Reading

FIELD = "values"
"""field of the envelope that holds name, value and unit of each"""


@implementer(IDecoder)
class NamedValuesDecoder:
    """Gives each value of the envelope as a reading."""

    name = "values"
    version = "1"
    kinds: tuple[PayloadKind, ...] = ("telegram",)

    def matches(self, payload: Payload) -> bool:
        return _are_named(payload.envelope.get(FIELD))

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        found = payload.envelope.get(FIELD)
        if not _are_named(found):
            raise DecodeError("no_values", "the message holds no values with names")
        return normalise(Reading(name[:MAX_NAME], value, unit) for name, value, unit in found)


def _are_named(found: Any) -> TypeGuard[list[Any]]:
    """Return whether something is what a rule leaves: other messages may have a field of this name, too."""
    return isinstance(found, list) and all(
        isinstance(each, list)
        and len(each) == 3
        and isinstance(each[0], str)
        and isinstance(each[1], bool | int | float | str)
        and isinstance(each[2], str | None)
        for each in found
    )


@implementer(IDecoderFactory)
class NamedValuesFactory:
    """Builds the decoder ``values``."""

    name = "values"
    description = "named values that a rule of a source found in a JSON message"
    settings: tuple[str, ...] = ()

    def build(self, settings: Mapping[str, Any]) -> NamedValuesDecoder:
        return NamedValuesDecoder()
