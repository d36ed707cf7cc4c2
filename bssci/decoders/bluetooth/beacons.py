"""Beacons that send an identifier: iBeacon and AltBeacon.

Described in Apple's "Proximity Beacon Specification" and at https://github.com/AltBeacon/spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.model import Reading

APPLE = 0x004C
_IBEACON = b"\x02\x15"
_IBEACON_BYTES = 23
_ALTBEACON = b"\xbe\xac"
_ALTBEACON_BYTES = 24


def recognise_ibeacon(advertisement: Advertisement) -> bool:
    """Return whether the advertisement is an iBeacon's and nothing else: some thermometers send an iBeacon as
    well.
    """
    return set(advertisement.manufacturers) == {APPLE} and advertisement.manufacturers[APPLE].startswith(
        _IBEACON
    )


def read_ibeacon(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = advertisement.manufacturers.get(APPLE, b"")
    if not data.startswith(_IBEACON):
        raise DecodeError("unknown_format", "no manufacturer data of an iBeacon (0x004c, 02 15)")
    if len(data) < _IBEACON_BYTES:
        raise DecodeError("too_short", f"an iBeacon has {_IBEACON_BYTES} bytes, not {len(data)}")
    measured = MeasuredValues()
    measured.add("beacon_uuid", str(UUID(bytes=data[2:18])))
    measured.add("beacon_major", int.from_bytes(data[18:20], "big"))
    measured.add("beacon_minor", int.from_bytes(data[20:22], "big"))
    measured.distance(advertisement.rssi, int.from_bytes(data[22:23], "big", signed=True))
    return measured.readings


def _altbeacon(advertisement: Advertisement) -> bytes | None:
    """Return the AltBeacon of any company; None if there is none."""
    for data in advertisement.manufacturers.values():
        if data.startswith(_ALTBEACON):
            return data
    return None


def recognise_altbeacon(advertisement: Advertisement) -> bool:
    return _altbeacon(advertisement) is not None


def read_altbeacon(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    data = _altbeacon(advertisement)
    if data is None:
        raise DecodeError("unknown_format", "no manufacturer data of an AltBeacon (be ac)")
    if len(data) < _ALTBEACON_BYTES:
        raise DecodeError("too_short", f"an AltBeacon has {_ALTBEACON_BYTES} bytes, not {len(data)}")
    measured = MeasuredValues()
    measured.add("beacon_id", data[2:22].hex())
    measured.distance(advertisement.rssi, int.from_bytes(data[22:23], "big", signed=True))
    return measured.readings


IBEACON = AdvertisementDecoderFactory(
    "ibeacon", "iBeacon: identifiers, and the estimated distance", "1", recognise_ibeacon, read_ibeacon
)
ALTBEACON = AdvertisementDecoderFactory(
    "altbeacon",
    "AltBeacon: identifier, and the estimated distance",
    "1",
    recognise_altbeacon,
    read_altbeacon,
)
