"""Presence: the scanner that a Bluetooth device is near, and the approximate distance.

The distance follows from the signal at one metre, a property of the kind of device (``power``, dBm), and from
how fast it falls with the distance there (``exponent``: 2 in the open, 3 to 4 between walls). Walls, bodies
and pockets change it by a factor of two and more.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from typing import Any

from zope.interface import implementer

from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.model import Reading

FIELD = "presence"
POWER = -59.0
"""dBm at one metre, for a device without ``power``"""
EXPONENT = 2.5
FARTHEST = 100.0
"""m; beyond that nothing is heard"""
PLACE = "place"
"""name of the reading that says which scanner a device is near"""
AWAY = "away"
"""place of a device that no scanner hears"""


@implementer(IDecoder)
class PresenceDecoder:
    """Reads the service's own telegrams about a device's place."""

    name = "presence"
    version = "1"
    kinds: tuple[PayloadKind, ...] = ("telegram",)
    comes_first = True

    def matches(self, payload: Payload) -> bool:
        return isinstance(payload.envelope.get(FIELD), Mapping)

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        said = payload.envelope.get(FIELD)
        if not isinstance(said, Mapping):
            raise DecodeError("no_presence", "the message does not state a place")
        scanner, rssi = said.get("scanner") or "", said.get("rssi")
        if not isinstance(scanner, str):
            raise DecodeError("no_presence", "the scanner is not named by a text")
        readings = [Reading("presence", bool(scanner)), Reading(PLACE, scanner or AWAY)]
        if scanner and isinstance(rssi, (int, float)):
            power = _number(parameters, "power", POWER, -100, 0)
            exponent = _number(parameters, "exponent", EXPONENT, 1, 10)
            # Bounded before the power is taken, which may exceed every number.
            metres = 10 ** min(log10(FARTHEST), (power - rssi) / (10 * exponent))
            readings += [Reading("rssi", float(rssi), "dBm"), Reading("distance", round(metres, 1), "m")]
        return readings


def _number(parameters: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise DecodeError("bad_parameters", f"{name} must be a number from {low} to {high}")
    return float(value)


@implementer(IDecoderFactory)
class PresenceFactory:
    """Builds the decoder ``presence``."""

    name = "presence"
    description = "place of a Bluetooth device by the scanners that hear it"
    settings: tuple[str, ...] = ()

    def build(self, settings: Mapping[str, Any]) -> PresenceDecoder:
        return PresenceDecoder()
