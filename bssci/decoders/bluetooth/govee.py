"""Govee thermometers: H5075 and its kind (H5072, H5101, H5102), H5074."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import RANGES, MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.model import Reading
from bssci.model.counts import many

COMPANY = 0xEC88
_PACKED_BYTES = 6
_IBEACON_BEHIND = b"\x4c\x00\x02\x15"
"""some send the manufacturer data of an iBeacon in the same structure"""
_H5074 = struct.Struct("<xhHBx")
_SENSOR_FAILED = 0x80


def recognise(advertisement: Advertisement) -> bool:
    data = advertisement.manufacturers.get(COMPANY)
    return data is not None and (len(data) == _H5074.size or _is_packed(data))


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.manufacturers.get(COMPANY)
    if not data:
        raise DecodeError("empty", "no manufacturer data of Govee (0xec88)")
    measured = MeasuredValues()
    if _is_packed(data):
        _packed(data, measured)
    elif len(data) == _H5074.size:
        temperature, humidity, battery = _H5074.unpack(data)
        measured.add("temperature", temperature / 100, "°C")
        measured.add("humidity", humidity / 100, "%")
        measured.add("battery", battery, "%")
    else:
        raise DecodeError("unknown_format", f"{many(len(data), 'byte')}; H5075 sends 6, H5074 sends 7")
    return measured.readings


def _is_packed(data: bytes) -> bool:
    return len(data) == _PACKED_BYTES or data[_PACKED_BYTES : _PACKED_BYTES + 4] == _IBEACON_BEHIND


def _packed(data: bytes, measured: MeasuredValues) -> None:
    """Read the temperature in 0.1 °C times 1000, plus humidity in 0.1 %, in 23 bits behind a sign."""
    packed = int.from_bytes(data[1:4], "big")
    tenths, humidity = divmod(packed & 0x7FFFFF, 1000)
    if packed & 0x800000:
        tenths = -tenths
    low, high = RANGES["temperature"]
    # one number: if half of it is impossible, so is the other
    if not data[4] & _SENSOR_FAILED and low <= tenths / 10 <= high:
        measured.add("temperature", tenths / 10, "°C")
        measured.add("humidity", humidity / 10, "%")
    measured.add("battery", data[4] & 0x7F, "%")


FACTORY = AdvertisementDecoderFactory(
    "govee", "Govee thermometers: H5075, H5072, H5101, H5102, H5074", "1", recognise, read
)
