"""Eddystone: UID, URL, TLM and EID frames.

Described at https://github.com/google/eddystone.
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

SERVICE = 0xFEAA
_LOSS_OVER_1_M = 41
"""dB: Eddystone gives the power at 0 m"""
_SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_ENDINGS = (
    ".com/", ".org/", ".edu/", ".net/", ".info/", ".biz/", ".gov/",
    ".com", ".org", ".edu", ".net", ".info", ".biz", ".gov",
)  # fmt: skip
_TLM = struct.Struct(">BBHhII")


def recognise(advertisement: Advertisement) -> bool:
    return SERVICE in advertisement.services


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.services.get(SERVICE)
    if not data:
        raise DecodeError("empty", "no service data of Eddystone (0xfeaa)")
    frame = _FRAMES.get(data[0])
    if frame is None:
        raise DecodeError("unknown_format", f"byte 0: frame type 0x{data[0]:02x}")
    measured = MeasuredValues()
    frame(data, measured, advertisement.rssi)
    return measured.readings


def _uid(data: bytes, measured: MeasuredValues, rssi: int | None) -> None:
    _need(data, 18, "a UID frame")
    measured.add("beacon_namespace", data[2:12].hex())
    measured.add("beacon_instance", data[12:18].hex())
    measured.distance(rssi, _power_at_1_m(data))


def _url(data: bytes, measured: MeasuredValues, rssi: int | None) -> None:
    _need(data, 4, "a URL frame")
    if data[2] >= len(_SCHEMES):
        raise DecodeError("unknown_format", f"byte 2: URL scheme {data[2]}")
    url = _SCHEMES[data[2]]
    for at, code in enumerate(data[3:], start=3):
        if code < len(_ENDINGS):
            url += _ENDINGS[code]
        elif 0x20 < code < 0x7F:
            url += chr(code)
        else:
            raise DecodeError("bad_value", f"byte {at}: 0x{code:02x} is not a character of a URL")
    measured.add("url", url)
    measured.distance(rssi, _power_at_1_m(data))


def _tlm(data: bytes, measured: MeasuredValues, rssi: int | None) -> None:
    _need(data, 2, "a TLM frame")
    if data[1] == 1:
        raise DecodeError("unsupported_encryption", "byte 1: an encrypted TLM frame")
    if data[1]:
        raise DecodeError("unknown_format", f"byte 1: TLM version {data[1]}")
    _need(data, _TLM.size, "a TLM frame")
    _, _, battery, temperature, count, uptime = _TLM.unpack_from(data)
    if battery:
        measured.add("battery_voltage", battery / 1000, "V")
    if temperature != -0x8000:
        measured.add("temperature", temperature / 256, "°C")
    measured.add("advertisement_count", count)
    measured.add("uptime", uptime / 10, "s")


def _eid(data: bytes, measured: MeasuredValues, rssi: int | None) -> None:
    _need(data, 10, "an EID frame")
    measured.add("beacon_ephemeral_id", data[2:10].hex())
    measured.distance(rssi, _power_at_1_m(data))


def _power_at_1_m(data: bytes) -> int:
    return int.from_bytes(data[1:2], "big", signed=True) - _LOSS_OVER_1_M


def _need(data: bytes, needed: int, what: str) -> None:
    if len(data) < needed:
        raise DecodeError("too_short", f"{what} has {needed} bytes or more, not {len(data)}")


_FRAMES = {0x00: _uid, 0x10: _url, 0x20: _tlm, 0x30: _eid}

FACTORY = AdvertisementDecoderFactory(
    "eddystone", "Eddystone: UID, URL, EID and telemetry frames", "1", recognise, read
)
