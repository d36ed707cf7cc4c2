"""SwitchBot meters: Meter, Meter Plus, Outdoor Meter, Meter Pro and Meter Pro CO2.

Described at https://github.com/OpenWonderLabs/SwitchBotAPI-BLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.decoders.bluetooth.advertisement import Advertisement
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.decoders.interfaces import DecodeError
from bssci.model import Reading

COMPANY = 0x0969
SERVICES = (0xFD3D, 0x0D00)
"""current UUID, and that of old firmware"""
_METERS = frozenset(b"Ttiw45")
"""device types in the first byte of the service data; t: a Meter that is being added"""
_PRO_CO2 = ord("5")
_CO2_MAX = 9999
"""ppm; a value above is not a measurement"""


def recognise(advertisement: Advertisement) -> bool:
    return _service(advertisement)[:1] != b"" and _service(advertisement)[0] & 0x7F in _METERS


def read(advertisement: Advertisement, parameters: Mapping[str, Any]) -> list[Reading]:
    service = _service(advertisement)
    manufacturer = advertisement.manufacturers.get(COMPANY, b"")
    if service and service[0] & 0x7F not in _METERS:
        raise DecodeError(
            "unknown_format", f"service data, byte 0: device type 0x{service[0] & 0x7F:02x} is not a meter"
        )
    if len(manufacturer) >= 11:
        climate = manufacturer[8:11]
    elif len(service) >= 6:
        climate = service[3:6]
    elif service or manufacturer:
        raise DecodeError("too_short", "neither manufacturer data of 11 bytes nor service data of 6")
    else:
        raise DecodeError("empty", "no data of SwitchBot (company 0x0969, service 0xfd3d)")
    measured = MeasuredValues()
    battery = service[2] & 0x7F if len(service) >= 3 else None
    if any(climate) or battery:
        degrees = (climate[1] & 0x7F) + (climate[0] & 0x0F) / 10
        if climate[0] & 0x0F <= 9:
            measured.add("temperature", degrees if climate[1] & 0x80 else -degrees, "°C")
        measured.add("humidity", climate[2] & 0x7F, "%")
    if battery is not None:
        measured.add("battery", battery, "%")
    if len(manufacturer) >= 15 and (not service or service[0] & 0x7F == _PRO_CO2):
        co2 = int.from_bytes(manufacturer[13:15], "big")
        if co2 <= _CO2_MAX:
            measured.add("co2", co2, "ppm")
    return measured.readings


def _service(advertisement: Advertisement) -> bytes:
    for uuid in SERVICES:
        if uuid in advertisement.services:
            return advertisement.services[uuid]
    return b""


FACTORY = AdvertisementDecoderFactory(
    "switchbot", "SwitchBot meters: Meter, Plus, Outdoor, Pro, Pro CO2", "1", recognise, read
)
