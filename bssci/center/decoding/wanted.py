"""What the configuration of a device says of its payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bssci.model import EUI, Sensor


class Wanted(NamedTuple):
    """How the payloads of a device are to be read."""

    decoder: str | None = None
    """by name"""
    type_eui: EUI | None = None
    parameters: Mapping[str, Any] = {}
    """for the decoder; may hold keys"""


NOTHING_WANTED = Wanted()


def wanted_of(sensor: Sensor | None) -> Wanted:
    """What ``decoder``, ``typeEui`` and ``decoderParameters`` of an entry say; a wrong type says nothing."""
    if sensor is None:
        return NOTHING_WANTED
    decoder, parameters = sensor.extra.get("decoder"), sensor.extra.get("decoderParameters")
    return Wanted(
        decoder if isinstance(decoder, str) and decoder else None,
        sensor.type_eui,
        parameters if isinstance(parameters, Mapping) else {},
    )
