"""Simulated Bluetooth devices: the advertisements of thermometers and beacons of seven makes.

Every value depends only on the device and the time, as in :mod:`bssci.simulator.instruments`. The bytes are
laid out as their makers document them: BTHome v2, the firmware pvvx of Xiaomi's LYWSD03MMC, Govee H5075,
SwitchBot Meter, RuuviTag data format 5, iBeacon, Eddystone TLM.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import pi, sin
from typing import Literal, NamedTuple

from bssci.scanner.advertisement import HeardAdvertisement
from bssci.simulator.instruments import DAY, HOUR, INSTALLED, YEAR, own, wave

TEMPLATE = "0000{:04x}-0000-1000-8000-00805f9b34fb"
BEACON = bytes.fromhex("c0ffee00b55c4e1e8f0a0000beac0001")
"""UUID of the simulated iBeacons"""


class _Sent(NamedTuple):
    """Contents of an advertisement."""

    name: str | None = None
    manufacturers: Mapping[int, bytes] = {}
    """data by company identifier"""
    services: Mapping[int, bytes] = {}
    """data by 16-bit UUID"""


class _Climate(NamedTuple):
    """A measurement of a thermometer."""

    celsius: float
    percent: float
    battery: int
    """charge, percent"""


class BluetoothDevice(NamedTuple):
    """A simulated Bluetooth device.

    :ivar number: number of the device, from 0.
    """

    number: int

    @property
    def make(self) -> str:
        """Name of the decoder that reads it."""
        return MAKES[self.number % len(MAKES)].name

    @property
    def address(self) -> str:
        """Address of the device, which never changes."""
        make = MAKES[self.number % len(MAKES)]
        return f"{make.prefix}:5E:{self.number >> 8 & 0xFF:02X}:{self.number & 0xFF:02X}"

    @property
    def id(self) -> str:
        """Id of the device at the service."""
        return f"ble:{self.address}"

    @property
    def wanders(self) -> bool:
        """True if somebody carries the device from place to place."""
        return self.make == "ibeacon"

    def advertisement(self, at: float, rssi: int) -> HeardAdvertisement:
        """Return the advertisement that the device sends at a time.

        :param at: Unix seconds.
        :param rssi: dBm at the scanner that hears it.
        """
        make = MAKES[self.number % len(MAKES)]
        sent = make.encode(self.number, self.address, at)
        return HeardAdvertisement(
            address=self.address,
            address_type=make.address_type,
            name=sent.name,
            rssi=rssi,
            manufacturer_data=sent.manufacturers,
            service_data={TEMPLATE.format(uuid): data for uuid, data in sent.services.items()},
            service_uuids=(),
        )


def _climate(number: int, at: float) -> _Climate:
    """Return the climate of a room: it is warmest in the afternoon, and drier when it is warmer."""
    room = 18.5 + 4 * own(number, "bluetooth room")
    day = (at % DAY) / DAY
    celsius = room + 1.8 * sin(2 * pi * (day - 0.38)) + 0.4 * wave(number, "bluetooth air", at, 2 * HOUR)
    percent = 47 - 2.5 * (celsius - room) + 4 * wave(number, "bluetooth damp", at, 7 * HOUR)
    battery = round(100 - 35 * ((at - INSTALLED) / YEAR % 1) - 10 * own(number, "bluetooth battery"))
    return _Climate(celsius, percent, battery)


def _bthome(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    data = bytes([0x40, 0x01, found.battery, 0x02]) + struct.pack("<h", round(found.celsius * 100))
    data += b"\x03" + struct.pack("<H", round(found.percent * 100))
    return _Sent(f"BTHome {address[-5:-3]}{address[-2:]}", services={0xFCD2: data})


def _pvvx(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    mac = bytes.fromhex(address.replace(":", ""))[::-1]
    millivolts, count = 2100 + 9 * found.battery, int(at / 60) & 0xFF
    data = mac + struct.pack(
        "<hHHBBB", round(found.celsius * 100), round(found.percent * 100), millivolts, found.battery, count, 4
    )
    return _Sent(f"ATC_{address[-8:].replace(':', '')}", services={0x181A: data})


def _govee(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    packed = round(found.celsius * 10) * 1000 + round(found.percent * 10)
    data = b"\x00" + packed.to_bytes(3, "big") + bytes([found.battery, 0])
    return _Sent(f"GVH5075_{address[-5:].replace(':', '')}", {0xEC88: data})


def _switchbot(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    whole, tenth = divmod(round(found.celsius * 10), 10)
    data = bytes([ord("T"), 0, found.battery, tenth, 0x80 | whole, round(found.percent)])
    mac = bytes.fromhex(address.replace(":", ""))
    return _Sent(None, {0x0969: mac}, {0xFD3D: data})


def _ruuvi(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    pressure = 1013 + 9 * wave(0, "weather", at, 4 * DAY) + 1.5 * wave(0, "front", at, 11 * HOUR)
    power = (2000 + 8 * found.battery - 1600) << 5 | 22
    # The sequence number counts measurements: one every 10 s here.
    data = struct.pack(
        ">BhHHhhhHBH",
        5,
        round(found.celsius / 0.005),
        round(found.percent / 0.0025),
        round(pressure * 100) - 50_000,
        4,
        -4,
        1036,
        power,
        number & 0x7F,
        int(at / 10) % 0xFFFF,
    )
    return _Sent(
        f"Ruuvi {address[-5:-3]}{address[-2:]}", {0x0499: data + bytes.fromhex(address.replace(":", ""))}
    )


def _ibeacon(number: int, address: str, at: float) -> _Sent:
    data = b"\x02\x15" + BEACON + struct.pack(">HHb", 1, number & 0xFFFF, -59)
    return _Sent(None, {0x004C: data})


def _eddystone(number: int, address: str, at: float) -> _Sent:
    found = _climate(number, at)
    tenths = int((at - INSTALLED) * 10) & 0xFFFFFFFF
    data = struct.pack(
        ">BBHhII", 0x20, 0, 2100 + 9 * found.battery, round(found.celsius * 256), tenths // 10, tenths
    )
    return _Sent(None, services={0xFEAA: data})


class _Make(NamedTuple):
    """A make of device."""

    name: str
    """name of its decoder"""
    prefix: str
    """first three bytes of the addresses"""
    address_type: Literal["public", "random"]
    encode: Callable[[int, str, float], _Sent]


MAKES = (
    _Make("bthome", "38:39:8F", "public", _bthome),
    _Make("atc", "A4:C1:38", "public", _pvvx),
    _Make("govee", "E3:37:3C", "random", _govee),
    _Make("ruuvi", "D2:8F:1A", "random", _ruuvi),
    _Make("switchbot", "C6:4B:90", "random", _switchbot),
    _Make("ibeacon", "DD:33:0A", "random", _ibeacon),
    _Make("eddystone", "F0:9A:51", "random", _eddystone),
)
"""makes that devices take in turn; their random addresses are static, so they do not change"""
