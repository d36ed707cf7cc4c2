"""RuuviTag: data formats 3 (RAWv1) and 5 (RAWv2).

Described at https://docs.ruuvi.com/communication/bluetooth-advertisements.
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

COMPANY = 0x0499
_RAW_V1 = struct.Struct(">BBBBHhhhH")
_RAW_V2 = struct.Struct(">BhHHhhhHBH")
_MAC_BYTES = 6
_NOT_SIGNED = -0x8000
_NOT_UNSIGNED = 0xFFFF
_AXES = ("acceleration_x", "acceleration_y", "acceleration_z")


def recognise(advertisement: Advertisement) -> bool:
    return advertisement.manufacturers.get(COMPANY, b"")[:1] in (b"\x03", b"\x05")


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.manufacturers.get(COMPANY)
    if not data:
        raise DecodeError("empty", "no manufacturer data of Ruuvi (0x0499)")
    if data[0] == 3:
        return _raw_v1(data)
    if data[0] == 5:
        return _raw_v2(data)
    raise DecodeError("unknown_format", f"byte 0: data format {data[0]}; 3 and 5 are known")


def _raw_v1(data: bytes) -> list[Reading]:
    _check_length(data, _RAW_V1.size)
    _, humidity, whole, hundredths, pressure, x, y, z, battery = _RAW_V1.unpack_from(data)
    measured = MeasuredValues()
    if hundredths < 100:
        temperature = (whole & 0x7F) + hundredths / 100
        measured.add("temperature", -temperature if whole & 0x80 else temperature, "°C")
    measured.add("humidity", humidity / 2, "%")
    measured.add("pressure", (pressure + 50_000) / 100, "hPa")
    for name, value in zip(_AXES, (x, y, z), strict=True):
        measured.add(name, value / 1000, "g")
    if battery:
        measured.add("battery_voltage", battery / 1000, "V")
    return measured.readings


def _raw_v2(data: bytes) -> list[Reading]:
    _check_length(data, _RAW_V2.size + _MAC_BYTES)
    _, temperature, humidity, pressure, x, y, z, power, movements, sequence = _RAW_V2.unpack_from(data)
    measured = MeasuredValues()
    if temperature != _NOT_SIGNED:
        measured.add("temperature", round(temperature * 0.005, 3), "°C")
    if humidity != _NOT_UNSIGNED:
        measured.add("humidity", round(humidity * 0.0025, 4), "%")
    if pressure != _NOT_UNSIGNED:
        measured.add("pressure", (pressure + 50_000) / 100, "hPa")
    for name, value in zip(_AXES, (x, y, z), strict=True):
        if value != _NOT_SIGNED:
            measured.add(name, value / 1000, "g")
    if power >> 5 != 0x7FF:
        measured.add("battery_voltage", (1600 + (power >> 5)) / 1000, "V")
    if power & 0x1F != 0x1F:
        measured.add("tx_power", 2 * (power & 0x1F) - 40, "dBm")
    if movements != 0xFF:
        measured.add("movement_count", movements)
    if sequence != _NOT_UNSIGNED:
        measured.add("measurement_count", sequence)
    return measured.readings


def _check_length(data: bytes, needed: int) -> None:
    if len(data) != needed:
        code = "too_short" if len(data) < needed else "too_long"
        raise DecodeError(code, f"data format {data[0]} has {needed} bytes, not {len(data)}")


FACTORY = AdvertisementDecoderFactory("ruuvi", "RuuviTag: data formats 3 and 5", "1", recognise, read)
