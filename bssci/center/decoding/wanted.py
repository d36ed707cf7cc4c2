"""The configured choice of a decoder for a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bssci.model import EUI, Sensor


class ChosenDecoder(NamedTuple):
    """Decoder and parameters that are configured for a device's payloads."""

    decoder: str | None = None
    """name of the decoder"""
    type_eui: EUI | None = None
    parameters: Mapping[str, Any] = {}
    """parameters of the decoder; may hold keys"""


NOTHING_WANTED = ChosenDecoder()
"""no choice is configured"""


def wanted_of(sensor: Sensor | None) -> ChosenDecoder:
    """Return the choice in ``decoder``, ``typeEui`` and ``decoderParameters`` of a sensor's entry."""
    if sensor is None or not (sensor.decoder or sensor.type_eui or sensor.decoder_parameters):
        return NOTHING_WANTED
    # An object of their own: decoders may encode it, or be other people's.
    return ChosenDecoder(sensor.decoder, sensor.type_eui, dict(sensor.decoder_parameters))
