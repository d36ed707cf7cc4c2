"""Advertisements: manufacturer data by company, service data by UUID."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bssci.decoders.interfaces import DecodeError, Payload

UNKNOWN_RSSI = 127
"""dBm, which stands for a signal that was not measured"""
_BASE_UUID_END = "-0000-1000-8000-00805f9b34fb"
"""end of the 128 bits of a service with a 16-bit UUID"""
_ADDRESS = re.compile(r"(?:ble:)?((?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2})")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,4})")
# types of AD structures (Supplement to the Bluetooth Core Specification, part A)
_SERVICE_DATA = {0x16: 2, 0x20: 4, 0x21: 16}
"""and the bytes of the UUID in each"""
_MANUFACTURER_DATA = 0xFF
LONGEST = 1650
"""bytes of an advertisement, also an extended one"""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A device's Bluetooth advertisement."""

    manufacturers: Mapping[int, bytes]
    """data of each manufacturer, by company identifier, without it"""
    services: Mapping[int | str, bytes]
    """data of each service, by 16-bit UUID, or by 128-bit UUID in lower case"""
    address: bytes | None = None
    """address of the sender, most significant byte first"""
    rssi: int | None = None
    """strength at the scanner, dBm"""

    def needed_address(self) -> bytes:
        """Return the sender's address, which encryption needs.

        :raises DecodeError: ``no_address``.
        """
        if self.address is None:
            raise DecodeError("no_address", "encrypted; the sender's address is not known")
        return self.address


def read_advertisement(payload: Payload) -> Advertisement:
    """Read the advertisement in a telegram.

    Both ``manufacturer_data`` and ``service_data`` of the envelope and the AD structures in the bytes count;
    where both have one, the envelope's is taken.

    :raises DecodeError: ``bad_envelope``, ``bad_structure``: neither can be read.
    """
    manufacturers: dict[int, bytes] = {}
    services: dict[int | str, bytes] = {}
    envelope = payload.envelope
    for key, value in _entries(envelope, "manufacturer_data"):
        company = _HEX.fullmatch(key)
        if company is None:
            raise DecodeError("bad_envelope", f"manufacturer_data: {key[:40]!r} is not a company identifier")
        manufacturers[int(company[1], 16)] = _base64(value, f"manufacturer_data {key}")
    for key, value in _entries(envelope, "service_data"):
        services[_uuid(key)] = _base64(value, f"service_data {key[:40]}")
    try:
        for kind, data in _structures(payload.data):
            if kind == _MANUFACTURER_DATA and len(data) >= 2:
                manufacturers.setdefault(int.from_bytes(data[:2], "little"), data[2:])
            elif kind in _SERVICE_DATA and len(data) >= _SERVICE_DATA[kind]:
                size = _SERVICE_DATA[kind]
                services.setdefault(_uuid(data[size - 1 :: -1].hex()), data[size:])
    except DecodeError:
        if not manufacturers and not services:
            raise
    device = envelope.get("device")
    return Advertisement(manufacturers, services, _address(payload, device), _rssi(device))


def _entries(envelope: Mapping[str, Any], field: str) -> Iterator[tuple[str, Any]]:
    found = envelope.get(field)
    if found is None:
        return
    if not isinstance(found, Mapping):
        raise DecodeError("bad_envelope", f"{field} is not an object")
    yield from found.items()


def _base64(value: Any, place: str) -> bytes:
    try:
        data = binascii.a2b_base64(value, strict_mode=True)
    except (TypeError, ValueError):
        raise DecodeError("bad_envelope", f"{place} is not base64") from None
    if len(data) > LONGEST:
        raise DecodeError(
            "too_long", f"{place} has {len(data)} bytes; an advertisement has at most {LONGEST}"
        )
    return data


def _uuid(text: str) -> int | str:
    text = text.lower()
    plain = text.replace("-", "").removeprefix("0x")
    if len(plain) == 32:
        text = f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
    elif len(plain) in (4, 8):
        text = plain.zfill(8) + _BASE_UUID_END
    if text.endswith(_BASE_UUID_END) and text.startswith("0000"):
        short = _HEX.fullmatch(text[4:8])
        if short is not None:
            return int(short[1], 16)
    return text


def _structures(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) > LONGEST:
        raise DecodeError("too_long", f"byte {LONGEST}: no advertisement is longer")
    at = 0
    while at < len(data) and data[at]:
        end = at + 1 + data[at]
        if end > len(data):
            raise DecodeError(
                "bad_structure", f"byte {at}: a structure of {data[at]} bytes, {len(data) - at - 1} left"
            )
        yield data[at + 1], data[at + 2 : end]
        at = end


def _address(payload: Payload, device: Any) -> bytes | None:
    written = device.get("address") if isinstance(device, Mapping) else None
    for text in (payload.device, written):
        match = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
        if match is not None:
            return bytes.fromhex(match[1].replace(":", "").replace("-", ""))
    return None


def _rssi(device: Any) -> int | None:
    rssi = device.get("rssi") if isinstance(device, Mapping) else None
    if not isinstance(rssi, (int, float)) or isinstance(rssi, bool) or not -128 <= rssi < UNKNOWN_RSSI:
        return None
    return round(rssi)
