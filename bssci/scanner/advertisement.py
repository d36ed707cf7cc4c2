"""An advertisement, and its message on ``bt-mqtt/raw/{scanner_id}``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from bssci.model.iso_times import iso_milliseconds

VERSION = "1.0"
UNKNOWN_RSSI = 127
LARGEST = 10 * 1024
"""largest message that the service accepts, in bytes"""
_BASE = "-0000-1000-8000-00805f9b34fb"
_SERVICE_DATA = {2: 0x16, 4: 0x20, 16: 0x21}
_SERVICES = {2: 0x03, 4: 0x05, 16: 0x07}
_NAME, _MANUFACTURER = 0x09, 0xFF

_encode = msgspec.json.Encoder().encode


class HeardAdvertisement(NamedTuple):
    """An advertisement as the adapter reports it."""

    address: str
    """address of the device: ``AA:BB:CC:DD:EE:FF``"""
    address_type: Literal["public", "random"]
    name: str | None
    rssi: int
    """dBm; 127: unknown"""
    manufacturer_data: Mapping[int, bytes]
    """data by company identifier"""
    service_data: Mapping[str, bytes]
    """data by UUID of 128 bits, in lower case"""
    service_uuids: Sequence[str]

    @property
    def content(self) -> int:
        """Hash of everything that the device sent; the signal strength is left out."""
        return hash(
            (
                self.name,
                tuple(sorted(self.manufacturer_data.items())),
                tuple(sorted(self.service_data.items())),
                tuple(self.service_uuids),
            )
        )


def message_of(advertisement: HeardAdvertisement, scanner_id: str, at: float) -> bytes:
    """Return the message (JSON) for an advertisement.

    :param at: time at which it was heard, Unix seconds.
    """
    device: dict[str, Any] = {
        "address": advertisement.address,
        "address_type": advertisement.address_type,
        "rssi": advertisement.rssi,
    }
    if advertisement.name:
        device["name"] = advertisement.name
    body: dict[str, Any] = {
        "version": VERSION,
        "timestamp": iso_milliseconds(at),
        "scanner_id": scanner_id,
        "device": device,
        "raw_data": _base64(rebuilt(advertisement)),
        # The adapter delivers the parsed parts, not the received bytes.
        "raw_data_rebuilt": True,
    }
    if advertisement.manufacturer_data:
        body["manufacturer_data"] = {
            f"0x{company:04x}": _base64(data) for company, data in advertisement.manufacturer_data.items()
        }
    if advertisement.service_data:
        body["service_data"] = {uuid: _base64(data) for uuid, data in advertisement.service_data.items()}
    if advertisement.service_uuids:
        body["service_uuids"] = list(advertisement.service_uuids)
    return _encode(body)


def rebuilt(advertisement: HeardAdvertisement) -> bytes:
    """Return the bytes of an advertisement, rebuilt from its parts; their order may differ, and flags are
    missing.

    Source: Core Specification Supplement, part A; Assigned Numbers, 2.3.
    """
    parts: list[tuple[int, bytes]] = []
    for uuid in advertisement.service_uuids:
        short = _short(uuid)
        parts.append((_SERVICES[len(short)], short))
    for uuid, data in advertisement.service_data.items():
        short = _short(uuid)
        parts.append((_SERVICE_DATA[len(short)], short + data))
    for company, data in advertisement.manufacturer_data.items():
        parts.append((_MANUFACTURER, company.to_bytes(2, "little") + data))
    if advertisement.name:
        parts.append((_NAME, advertisement.name.encode()))
    return b"".join(bytes([len(data) + 1, kind]) + data for kind, data in parts if len(data) < 255)


def _short(uuid: str) -> bytes:
    """Return a UUID in its shortest form (2, 4 or 16 bytes), little-endian."""
    digits = uuid.lower()
    if digits.endswith(_BASE):
        size = 2 if digits.startswith("0000") else 4
        return int(digits[:8], 16).to_bytes(size, "little")
    return bytes.fromhex(digits.replace("-", ""))[::-1]


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
