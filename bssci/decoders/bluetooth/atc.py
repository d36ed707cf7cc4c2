"""Xiaomi thermometers with the free firmware of atc1441 or pvvx (service 0x181A).

Described at https://github.com/atc1441/ATC_MiThermometer and https://github.com/pvvx/ATC_MiThermometer.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.model import Reading
from bssci.model.counts import many

SERVICE = 0x181A
"""Environmental Sensing, which others use as well: this firmware is recognised by the length"""
_ATC1441 = struct.Struct(">6xhBBHB")
_PVVX = struct.Struct("<6xhHHBBx")


def recognise(advertisement: Advertisement) -> bool:
    return len(advertisement.services.get(SERVICE, b"")) in (_ATC1441.size, _PVVX.size)


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.services.get(SERVICE)
    if not data:
        raise DecodeError("empty", "no service data 0x181a")
    measured = MeasuredValues()
    if len(data) == _ATC1441.size:
        temperature, humidity, battery, voltage, count = _ATC1441.unpack(data)
        measured.add("temperature", temperature / 10, "°C")
        measured.add("humidity", humidity, "%")
    elif len(data) == _PVVX.size:
        temperature, humidity, voltage, battery, count = _PVVX.unpack(data)
        measured.add("temperature", temperature / 100, "°C")
        measured.add("humidity", humidity / 100, "%")
    else:
        raise DecodeError(
            "unknown_format",
            f"{many(len(data), 'byte')}; atc1441 sends 13, pvvx 15; encrypted messages are not supported",
        )
    measured.add("battery", battery, "%")
    measured.add("battery_voltage", voltage / 1000, "V")
    measured.add("measurement_count", count)
    return measured.readings


FACTORY = AdvertisementDecoderFactory(
    "atc", "Xiaomi thermometers with the firmware of atc1441 or pvvx", "1", recognise, read
)
