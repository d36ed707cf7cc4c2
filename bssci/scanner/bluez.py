"""Scans with adapters of BlueZ, through bleak. The reactor must run on asyncio's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakError
from twisted.internet.defer import Deferred

from bssci.scanner.advertisement import UNKNOWN_RSSI, HeardAdvertisement
from bssci.scanner.radio import PassiveRefused, StartScan

_FLAGS = (0x02, 0x04, 0x05, 0x06, 0x18, 0x1A, 0x1B, 0x1E)
_SERVICES = (0xFCD2, 0x181A, 0xFE95, 0xFEAA, 0xFD3D, 0xFEED)
"""BTHome, environmental sensing, Xiaomi, Eddystone, SwitchBot, Tile"""
_COMPANIES = (0x0499, 0x004C, 0xEC88, 0x0059, 0x0969)
"""Ruuvi, Apple, Govee, Nordic, Woan"""
PATTERNS = [
    *(OrPattern(0, AdvertisementDataType.FLAGS, bytes([flags])) for flags in _FLAGS),
    *(
        OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, uuid.to_bytes(2, "little"))
        for uuid in _SERVICES
    ),
    *(
        OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little"))
        for company in _COMPANIES
    ),
]
"""patterns that a passive scan reports; no single pattern matches everything"""


class BluezScan:
    """A running scan."""

    def __init__(self, scanner: BleakScanner) -> None:
        self._scanner = scanner

    def stop(self) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(self._scanner.stop()))


def scans_of(adapter: str) -> StartScan:
    """Return the function that begins scans with an adapter, such as ``hci0``."""

    def start(passive: bool, heard: Callable[[HeardAdvertisement], None]) -> Deferred[Any]:
        return Deferred.fromFuture(asyncio.ensure_future(_start(adapter, passive, heard)))

    return start


async def _start(adapter: str, passive: bool, heard: Callable[[HeardAdvertisement], None]) -> BluezScan:
    def detected(device: BLEDevice, data: AdvertisementData) -> None:
        heard(_advertisement(device, data))

    chosen = BlueZScannerArgs(adapter=adapter)
    if passive:
        chosen["or_patterns"] = list(PATTERNS)
    scanner = BleakScanner(detected, scanning_mode="passive" if passive else "active", bluez=chosen)
    try:
        await scanner.start()
    except (FileNotFoundError, ConnectionRefusedError):
        raise ConnectionError(
            "there is no D-Bus, which bluetoothd is reached by: install bluez and start bluetooth.service"
        ) from None
    except BleakBluetoothNotAvailableError:
        raise
    except BleakError as error:
        if passive and "not found" not in str(error):
            raise PassiveRefused(str(error)) from None
        raise
    return BluezScan(scanner)


def _advertisement(device: BLEDevice, data: AdvertisementData) -> HeardAdvertisement:
    details = device.details if isinstance(device.details, dict) else {}
    kind = details.get("props", {}).get("AddressType", "public")
    return HeardAdvertisement(
        address=device.address.upper(),
        address_type="random" if kind == "random" else "public",
        name=data.local_name,
        rssi=data.rssi if data.rssi is not None else UNKNOWN_RSSI,
        manufacturer_data=dict(data.manufacturer_data),
        service_data={uuid.lower(): value for uuid, value in data.service_data.items()},
        service_uuids=tuple(uuid.lower() for uuid in data.service_uuids),
    )
