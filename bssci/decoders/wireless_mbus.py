"""Link layer of wireless M-Bus frames (EN 13757-4): the address, which names the meter; checksums."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_BLOCK = 10
"""bytes of frame formats A and B alike: L C M M A A A A V T"""
_LETTERS = range(1, 27)


@dataclass(frozen=True, slots=True)
class WirelessMBusAddress:
    """Address of a frame's sender."""

    manufacturer: str
    """three letters"""
    identification: str
    """eight digits, as printed on the meter"""
    version: int
    device_type: int
    """3 gas, 4 heat, 6 warm water, 7 water, ..."""


def sender_of(frame: bytes, station: str) -> str:
    """Return the device id of the sender of a telegram that a base station received by the variable MAC.

    :param station: EUI of the base station, for bytes without a sender's address.
    """
    address = link_address(frame)
    return f"vm:{station}" if address is None else f"wmbus:{address.manufacturer}-{address.identification}"


def link_address(frame: bytes) -> WirelessMBusAddress | None:
    """Return the address in a frame that begins with its length field; None if it is not wireless M-Bus."""
    if len(frame) < FIRST_BLOCK or not FIRST_BLOCK <= frame[0] + 1 <= len(frame):
        return None
    manufacturer = _manufacturer(int.from_bytes(frame[2:4], "little"))
    identification = frame[7:3:-1].hex()
    if manufacturer is None or not identification.isdecimal():
        return None
    return WirelessMBusAddress(manufacturer, identification, version=frame[8], device_type=frame[9])


def _table() -> tuple[int, ...]:
    """Return the remainder of every byte by the polynomial of EN 13757-4."""
    found = []
    for byte in range(256):
        remainder = byte << 8
        for _ in range(8):
            remainder = remainder << 1 ^ (0x3D65 if remainder & 0x8000 else 0)
        found.append(remainder & 0xFFFF)
    return tuple(found)


_REMAINDERS = _table()


def checksum(block: bytes) -> int:
    """Return the checksum of a block of bytes."""
    remainder = 0
    for byte in block:
        remainder = (remainder << 8 & 0xFFFF) ^ _REMAINDERS[remainder >> 8 ^ byte]
    return remainder ^ 0xFFFF


def _manufacturer(code: int) -> str | None:
    """Return three letters of five bits each; the sixteenth bit says only how widely the address is
    unique.
    """
    letters = (code >> 10 & 0x1F, code >> 5 & 0x1F, code & 0x1F)
    if any(letter not in _LETTERS for letter in letters):
        return None
    return "".join(chr(ord("A") - 1 + letter) for letter in letters)
