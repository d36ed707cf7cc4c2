"""A third-party decoder: the level in a tank, from the distance that a radar above it measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.decoders import DecodeError, IDecoder, IDecoderFactory, Payload
from bssci.model import Reading

_MARK = 0xA5
_NO_ECHO = 0xFFFF


@implementer(IDecoder)
class TankDecoder:
    """Reads four bytes: a mark, the distance in mm, the battery in %."""

    name = "tank"
    version = "1"

    def matches(self, payload: Payload) -> bool:
        """Return whether a payload of a sensor that names no decoder comes from a tank; never, because
        the mark alone would not prove it.
        """
        return False

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        data = payload.data
        if len(data) != 4 or data[0] != _MARK:
            raise DecodeError("no_tank", "byte 0: four bytes that begin with A5 are expected")
        readings = [Reading("battery", data[3], "%")]
        distance = int.from_bytes(data[1:3])
        if distance == _NO_ECHO:
            return readings
        readings.append(Reading("distance", distance, "mm"))  # the service converts it to metres
        height = parameters.get("height")
        if isinstance(height, int | float) and height > 0:
            level = max(0.0, height - distance / 1000)
            readings += [Reading("level", level, "m"), Reading("fill_level", 100 * level / height, "%")]
        return readings


@implementer(IPlugin, IDecoderFactory)
class TankFactory:
    """The plugin that the service finds."""

    name = "tank"
    description = "level in a tank, by radar"
    settings = ()

    def build(self, settings: Mapping[str, Any]) -> TankDecoder:
        return TankDecoder()


tank = TankFactory()
