"""Xiaomi's MiBeacon (service 0xFE95): LYWSD03MMC and others that measure climate or soil.

Its frames are those of https://github.com/MiEcosystem/mijia_ble_common, ``mible_beacon.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.keys import needed_key
from bssci.model import Reading

SERVICE = 0xFE95
_ENCRYPTED = 0x0008
_HAS_ADDRESS = 0x0010
_HAS_CAPABILITY = 0x0020
_HAS_OBJECT = 0x0040
_MESH = 0x0080
_CAPABILITY_HAS_IO = 0x20
_HEADER = 5
"""bytes: frame control, product, frame counter"""
_COUNTER = 3
_TAG = 4
_FIRST_WITH_AUTHENTICATION = 4
_ASSOCIATED = b"\x11"


def recognise(advertisement: Advertisement) -> bool:
    return len(advertisement.services.get(SERVICE, b"")) >= _HEADER


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.services.get(SERVICE)
    if not data:
        raise DecodeError("empty", "no service data of Xiaomi (0xfe95)")
    _need(data, _HEADER, "a frame")
    control = int.from_bytes(data[:2], "little")
    version = control >> 12
    if control & _MESH or version < 2:
        raise DecodeError(
            "unknown_format", f"bytes 0-1: 0x{control:04x}, a mesh device or an old version of the protocol"
        )
    if not control & _HAS_OBJECT:
        return []
    at = _HEADER
    address = advertisement.address
    if control & _HAS_ADDRESS:
        _need(data, at + 6, "a frame with an address")
        address = data[at : at + 6][::-1]
        at += 6
    if control & _HAS_CAPABILITY:
        _need(data, at + 1, "a frame with capabilities")
        at += 2 if data[at] & _CAPABILITY_HAS_IO else 1
    if control & _ENCRYPTED:
        if version < _FIRST_WITH_AUTHENTICATION:
            raise DecodeError("unsupported_encryption", f"bytes 0-1: encrypted as in version {version}")
        objects = _decrypt(data, at, address or advertisement.needed_address(), needed_key(parameters))
    else:
        objects = data[at:]
    return _objects(objects)


def _decrypt(data: bytes, at: int, address: bytes, key: bytes) -> bytes:
    _need(data, at + _COUNTER + _TAG + 1, "an encrypted frame")
    end = len(data) - _COUNTER - _TAG
    nonce = address[::-1] + data[2:_HEADER] + data[end : end + _COUNTER]
    try:
        return AESCCM(key, tag_length=_TAG).decrypt(nonce, data[at:end] + data[-_TAG:], _ASSOCIATED)
    except InvalidTag:
        raise DecodeError("wrong_key", "the key in decoderParameters does not fit this device") from None


def _objects(data: bytes) -> list[Reading]:
    measured = MeasuredValues()
    unknown: list[int] = []
    at = 0
    while at < len(data):
        _need(data, at + 3, f"byte {at}: an object")
        kind, length = int.from_bytes(data[at : at + 2], "little"), data[at + 2]
        at += 3
        _need(data, at + length, f"byte {at}: object 0x{kind:04x}")
        known = _OBJECTS.get(kind)
        if known is None:
            unknown.append(kind)
        elif length != known[0]:
            raise DecodeError(
                "bad_value", f"byte {at - 1}: object 0x{kind:04x} has {known[0]} bytes, not {length}"
            )
        else:
            known[1](measured, data[at : at + length])
        at += length
    if unknown and not measured.readings:
        raise DecodeError("unknown_format", f"object 0x{unknown[0]:04x} is not known")
    return measured.readings


def _integer(
    name: str, unit: str, divisor: int = 1, signed: bool = False
) -> Callable[[MeasuredValues, bytes], None]:
    def add(measured: MeasuredValues, data: bytes) -> None:
        value = int.from_bytes(data, "little", signed=signed)
        measured.add(name, value if divisor == 1 else value / divisor, unit)

    return add


def _single(name: str, unit: str) -> Callable[[MeasuredValues, bytes], None]:
    def add(measured: MeasuredValues, data: bytes) -> None:
        value = struct.unpack("<f", data)[0]
        if isfinite(value):
            measured.add(name, round(value, 2), unit)

    return add


_temperature = _integer("temperature", "°C", 10, signed=True)
_humidity = _integer("humidity", "%", 10)


def _climate(measured: MeasuredValues, data: bytes) -> None:
    _temperature(measured, data[:2])
    _humidity(measured, data[2:])


def _low_battery(measured: MeasuredValues, data: bytes) -> None:
    measured.add("low_battery", bool(data[0]))


_OBJECTS: dict[int, tuple[int, Callable[[MeasuredValues, bytes], None]]] = {
    0x1004: (2, _temperature),
    0x1006: (2, _humidity),
    0x1007: (3, _integer("illuminance", "lx")),
    0x1008: (1, _integer("soil_moisture", "%")),
    0x1009: (2, _integer("conductivity", "µS/cm")),
    0x100A: (1, _integer("battery", "%")),
    0x100D: (4, _climate),
    0x4803: (1, _integer("battery", "%")),
    0x4A01: (1, _low_battery),
    0x4C01: (4, _single("temperature", "°C")),
    0x4C02: (1, _integer("humidity", "%")),
    0x4C03: (1, _integer("battery", "%")),
    0x4C08: (4, _single("humidity", "%")),
}
"""length and what it holds"""


def _need(data: bytes, needed: int, what: str) -> None:
    if len(data) < needed:
        raise DecodeError("too_short", f"{what} needs {needed} bytes, there are {len(data)}")


FACTORY = AdvertisementDecoderFactory(
    "xiaomi", "Xiaomi thermometers and plant sensors (MiBeacon), also encrypted", "1", recognise, read
)
