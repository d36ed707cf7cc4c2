"""BTHome version 2 (service 0xFCD2), plain and encrypted.

Described at https://bthome.io/format and https://bthome.io/encryption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.keys import aes_key, needed_key
from bssci.model import Reading
from bssci.model.counts import many

SERVICE = 0xFCD2
_UUID_ON_AIR = b"\xd2\xfc"
_VERSION = 2
_ENCRYPTED = 0x01
_HAS_ADDRESS = 0x02
_COUNTER = 4
_TAG = 4


class _Number(NamedTuple):
    """A number: little-endian, times ``factor``."""

    name: str
    unit: str | None
    length: int
    factor: float = 1
    signed: bool = False


def _signed(name: str, unit: str | None, length: int, factor: float = 1) -> _Number:
    return _Number(name, unit, length, factor, signed=True)


_NUMBERS: dict[int, _Number] = {
    0x01: _Number("battery", "%", 1),
    0x02: _signed("temperature", "°C", 2, 0.01),
    0x03: _Number("humidity", "%", 2, 0.01),
    0x04: _Number("pressure", "hPa", 3, 0.01),
    0x05: _Number("illuminance", "lx", 3, 0.01),
    0x06: _Number("weight", "kg", 2, 0.01),
    0x07: _Number("weight", "kg", 2, 0.0045359237),  # 0.01 lb
    0x08: _signed("dew_point", "°C", 2, 0.01),
    0x09: _Number("count", None, 1),
    0x0A: _Number("energy", "kWh", 3, 0.001),
    0x0B: _Number("power", "W", 3, 0.01),
    0x0C: _Number("voltage", "V", 2, 0.001),
    0x0D: _Number("pm2_5", "µg/m³", 2),
    0x0E: _Number("pm10", "µg/m³", 2),
    0x12: _Number("co2", "ppm", 2),
    0x13: _Number("tvoc_concentration", "µg/m³", 2),
    0x14: _Number("soil_moisture", "%", 2, 0.01),
    0x2E: _Number("humidity", "%", 1),
    0x2F: _Number("soil_moisture", "%", 1),
    0x3D: _Number("count", None, 2),
    0x3E: _Number("count", None, 4),
    0x3F: _signed("rotation", "°", 2, 0.1),
    0x40: _Number("distance", "m", 2, 0.001),
    0x41: _Number("distance", "m", 2, 0.1),
    0x42: _Number("duration", "s", 3, 0.001),
    0x43: _Number("current", "A", 2, 0.001),
    0x44: _Number("speed", "m/s", 2, 0.01),
    0x45: _signed("temperature", "°C", 2, 0.1),
    0x46: _Number("uv_index", None, 1, 0.1),
    0x47: _Number("volume", "m³", 2, 0.0001),
    0x48: _Number("volume", "m³", 2, 0.000001),
    0x49: _Number("flow", "m³/h", 2, 0.001),
    0x4A: _Number("voltage", "V", 2, 0.1),
    0x4B: _Number("volume", "m³", 3, 0.001),  # gas
    0x4C: _Number("volume", "m³", 4, 0.001),  # gas
    0x4D: _Number("energy", "kWh", 4, 0.001),
    0x4E: _Number("volume", "m³", 4, 0.000001),
    0x4F: _Number("volume", "m³", 4, 0.000001),  # water
    0x50: _Number("device_time", "s", 4),
    0x51: _Number("acceleration", "m/s²", 2, 0.001),
    0x52: _Number("angular_speed", "°/s", 2, 0.001),
    0x55: _Number("stored_volume", "m³", 4, 0.000001),
    0x56: _Number("conductivity", "µS/cm", 2),
    0x57: _signed("temperature", "°C", 1),
    0x58: _signed("temperature", "°C", 1, 0.35),
    0x59: _signed("count", None, 1),
    0x5A: _signed("count", None, 2),
    0x5B: _signed("count", None, 4),
    0x5C: _signed("power", "W", 4, 0.01),
    0x5D: _signed("current", "A", 2, 0.001),
    0x5E: _Number("direction", "°", 2, 0.01),
    0x5F: _Number("rain", "mm", 2, 0.1),
    0x60: _Number("channel", None, 1),
    0x61: _Number("rotational_speed", "1/min", 2),
    0x62: _signed("speed", "m/s", 4, 0.000001),
    0x63: _signed("acceleration", "m/s²", 4, 0.000001),
    0x64: _Number("light_level", None, 1),
}
_YES_NO: dict[int, str] = {
    0x0F: "generic",
    0x10: "switch",
    0x11: "open",
    0x15: "low_battery",
    0x16: "charging",
    0x17: "co_detected",
    0x18: "cold",
    0x19: "connected",
    0x1A: "open",  # door
    0x1B: "open",  # garage door
    0x1C: "gas_detected",
    0x1D: "hot",
    0x1E: "light_detected",
    0x1F: "unlocked",
    0x20: "leak",
    0x21: "motion",
    0x22: "moving",
    0x23: "occupancy",
    0x24: "plugged_in",
    0x25: "occupancy",  # presence
    0x26: "problem",
    0x27: "running",
    0x28: "safe",
    0x29: "smoke",
    0x2A: "sound_detected",
    0x2B: "tamper",
    0x2C: "vibration",
    0x2D: "open",  # window
}
_PACKET_ID = 0x00
_BUTTON = 0x3A
_DIMMER = 0x3C
_TEXT = 0x53
_RAW = 0x54
_DEVICE_TYPE = 0xF0
_FIRMWARE_4 = 0xF1
_FIRMWARE_3 = 0xF2
_LENGTHS = {_PACKET_ID: 1, _BUTTON: 1, _DIMMER: 2, _DEVICE_TYPE: 2, _FIRMWARE_4: 4, _FIRMWARE_3: 3}
_BUTTON_EVENTS = {
    1: "press",
    2: "double_press",
    3: "triple_press",
    4: "long_press",
    5: "long_double_press",
    6: "long_triple_press",
    0x80: "hold_press",
}
_DIMMER_EVENTS = {1: "rotate_left", 2: "rotate_right"}


def recognise(advertisement: Advertisement) -> bool:
    data = advertisement.services.get(SERVICE)
    return bool(data) and data[0] >> 5 == _VERSION  # type: ignore[index]


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.services.get(SERVICE)
    if not data:
        raise DecodeError("empty", "no service data of BTHome (0xfcd2)")
    info, at = data[0], 1
    if info >> 5 != _VERSION:
        raise DecodeError("unknown_format", f"byte 0: BTHome version {info >> 5}; 2 is known")
    address = advertisement.address
    if info & _HAS_ADDRESS:
        at += 6
        if len(data) < at:
            raise DecodeError("too_short", "byte 1: the address has 6 bytes")
        address = data[1:at][::-1]
    if not info & _ENCRYPTED:
        if aes_key(parameters) is not None:
            raise DecodeError("not_encrypted", "byte 0: not encrypted, though decoderParameters have a key")
        return _objects(data[at:])
    if len(data) < at + _COUNTER + _TAG + 1:
        raise DecodeError(
            "too_short", f"{many(len(data), 'byte')}; an encrypted message needs {at + _COUNTER + _TAG + 1}"
        )
    end = len(data) - _COUNTER - _TAG
    nonce = (address or advertisement.needed_address()) + _UUID_ON_AIR + data[:1] + data[end : end + _COUNTER]
    try:
        plain = AESCCM(needed_key(parameters), tag_length=_TAG).decrypt(
            nonce, data[at:end] + data[-_TAG:], None
        )
    except InvalidTag:
        raise DecodeError("wrong_key", "the key in decoderParameters does not fit this device") from None
    return _objects(plain)


def _objects(data: bytes) -> list[Reading]:
    """Read objects up to the first unknown one.

    Objects come in the order of their numbers, so those after an unknown one are newer than this table.
    """
    measured = MeasuredValues()
    at = 0
    while at < len(data):
        kind = data[at]
        start = at + 1
        length = _length(kind, data, start)
        if length is None:
            if not measured.readings:
                raise DecodeError("unknown_format", f"byte {at}: object 0x{kind:02x} is not known")
            break
        if kind in (_TEXT, _RAW):
            start += 1
        at = start + length
        if at > len(data):
            raise DecodeError(
                "too_short",
                f"byte {start}: object 0x{kind:02x} has {many(length, 'byte')}, {len(data) - start} left",
            )
        _add(measured, kind, data[start:at])
    return measured.readings


def _length(kind: int, data: bytes, start: int) -> int | None:
    if kind in _NUMBERS:
        return _NUMBERS[kind].length
    if kind in _YES_NO:
        return 1
    if kind in (_TEXT, _RAW):
        return data[start] if start < len(data) else 1
    return _LENGTHS.get(kind)


def _add(measured: MeasuredValues, kind: int, data: bytes) -> None:
    number = _NUMBERS.get(kind)
    if number is not None:
        value: float = int.from_bytes(data, "little", signed=number.signed)
        if number.factor != 1:
            value = round(value * number.factor, 8)
        measured.add(number.name, value, number.unit)
    elif kind in _YES_NO:
        if data[0] <= 1:
            measured.add(_YES_NO[kind], data[0] == 1)
    elif kind == _BUTTON:
        if data[0] in _BUTTON_EVENTS:
            measured.add("button_event", _BUTTON_EVENTS[data[0]])
    elif kind == _DIMMER:
        if data[0] in _DIMMER_EVENTS:
            measured.add("dimmer_event", _DIMMER_EVENTS[data[0]])
            measured.add("dimmer_steps", data[1])
    elif kind == _TEXT:
        measured.add("text", data.decode("utf-8", errors="replace"))
    elif kind == _RAW:
        measured.add("raw", data.hex())
    elif kind == _DEVICE_TYPE:
        measured.add("device_type", int.from_bytes(data, "little"))
    elif kind in (_FIRMWARE_3, _FIRMWARE_4):
        measured.add("firmware_version", ".".join(str(part) for part in reversed(data)))


FACTORY = AdvertisementDecoderFactory("bthome", "BTHome version 2, plain and encrypted", "1", recognise, read)
