"""Cayenne Low Power Payload: repeated ``channel, type, data``, big-endian.

A reading is named for its type and its channel: type 103 on channel 2 is ``temperature_2``. A payload cannot
be recognised as Cayenne, so a sensor has to name the decoder: ``"decoder": "cayenne"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from zope.interface import implementer

from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.model import Reading
from bssci.model.counts import many

MAX_BYTES = 1024
"""bytes of a payload; a mioty telegram has 245 at most"""


class _Part(NamedTuple):
    name: str
    unit: str | None
    size: int
    """bytes of a value"""
    signed: bool
    divisor: float


class _Type(NamedTuple):
    parts: tuple[_Part, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


def _one(name: str, unit: str | None, size: int, divisor: float = 1, signed: bool = False) -> _Type:
    return _Type((_Part(name, unit, size, signed, divisor),))


def _three(name: str, unit: str, divisor: float) -> _Type:
    return _Type(tuple(_Part(f"{name}_{axis}", unit, 2, True, divisor) for axis in "xyz"))


TYPES: dict[int, _Type] = {
    0: _one("digital_input", None, 1),
    1: _one("digital_output", None, 1),
    2: _one("analog_input", None, 2, 100, signed=True),
    3: _one("analog_output", None, 2, 100, signed=True),
    100: _one("generic", None, 4),
    101: _one("illuminance", "lx", 2),
    102: _one("occupancy", None, 1),
    103: _one("temperature", "°C", 2, 10, signed=True),
    104: _one("humidity", "%", 1, 2),
    113: _three("acceleration", "g", 1000),
    115: _one("pressure", "hPa", 2, 10),
    116: _one("voltage", "V", 2, 100),
    117: _one("current", "A", 2, 1000),
    118: _one("frequency", "Hz", 4),
    120: _one("percentage", "%", 1),
    121: _one("altitude", "m", 2, signed=True),
    125: _one("concentration", "ppm", 2),
    128: _one("power", "W", 2),
    130: _one("distance", "m", 4, 1000),
    131: _one("energy", "kWh", 4, 1000),
    132: _one("direction", "°", 2),
    133: _one("unix_time", "s", 4),
    134: _three("gyroscope", "°/s", 100),
    135: _Type(tuple(_Part(f"colour_{name}", None, 1, False, 1) for name in ("red", "green", "blue"))),
    136: _Type(
        (
            _Part("latitude", "°", 3, True, 10_000),
            _Part("longitude", "°", 3, True, 10_000),
            _Part("altitude", "m", 3, True, 100),
        )
    ),
    142: _one("switch", None, 1),
}
"""types by their number"""
_YES_OR_NO = {0, 1, 102, 142}


@implementer(IDecoder)
class CayenneDecoder:
    """Reads Cayenne LPP."""

    name = "cayenne"
    version = "1"
    kinds: tuple[PayloadKind, ...] = ()

    def matches(self, payload: Payload) -> bool:
        """Return false: a payload cannot be recognised."""
        return False

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings. See :class:`bssci.decoders.interfaces.IDecoder`."""
        if not payload.data:
            raise DecodeError("empty", "the payload is empty")
        if len(payload.data) > MAX_BYTES:
            raise DecodeError("too_long", f"byte {MAX_BYTES}: longer payloads are not read")
        found: dict[str, Reading] = {}
        for place, channel, number in _entries(payload.data):
            for reading in _readings(payload.data, place, channel, number):
                if reading.name in found:
                    raise DecodeError("clash", f"byte {place}: {reading.name} appears twice")
                found[reading.name] = reading
        return list(found.values())


@implementer(IDecoderFactory)
class CayenneFactory:
    """Makes the decoder ``cayenne``."""

    name = "cayenne"
    description = "Cayenne Low Power Payload (LPP): channel, type, data"
    settings = ()

    def build(self, settings: Mapping[str, Any]) -> CayenneDecoder:
        """Return the decoder; it has no settings."""
        return CayenneDecoder()


def _entries(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield place of the data, channel and type of each entry."""
    place = 0
    while place < len(data):
        if place + 2 > len(data):
            raise DecodeError("too_short", f"byte {place}: a channel without a type")
        channel, number = data[place], data[place + 1]
        if number not in TYPES:
            raise DecodeError(
                "unknown_type", f"byte {place + 1}: type {number} of channel {channel} is unknown"
            )
        place += 2
        size = TYPES[number].size
        left = len(data) - place
        if size > left:
            raise DecodeError(
                "too_short",
                f"byte {place}: type {number} of channel {channel} has {many(size, 'byte')}, {left} follow",
            )
        yield place, channel, number
        place += size


def _readings(data: bytes, place: int, channel: int, number: int) -> Iterator[Reading]:
    for part in TYPES[number].parts:
        raw = int.from_bytes(data[place : place + part.size], signed=part.signed)
        place += part.size
        value: float | bool = raw if part.divisor == 1 else raw / part.divisor
        yield Reading(f"{part.name}_{channel}", bool(raw) if number in _YES_OR_NO else value, part.unit)
