"""The link-layer address of a wireless M-Bus frame (EN 13757-4), which says what meter sent it."""

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


def link_address(frame: bytes) -> WirelessMBusAddress | None:
    """Return the address in a frame that begins with its length field; None if it is no wireless M-Bus
    frame.
    """
    if len(frame) < FIRST_BLOCK or not FIRST_BLOCK <= frame[0] + 1 <= len(frame):
        return None
    manufacturer = _manufacturer(int.from_bytes(frame[2:4], "little"))
    identification = frame[7:3:-1].hex()
    if manufacturer is None or not identification.isdecimal():
        return None
    return WirelessMBusAddress(manufacturer, identification, version=frame[8], device_type=frame[9])


def _manufacturer(code: int) -> str | None:
    """Three letters of five bits each; the sixteenth bit tells only how far the address is unique."""
    letters = (code >> 10 & 0x1F, code >> 5 & 0x1F, code & 0x1F)
    if any(letter not in _LETTERS for letter in letters):
        return None
    return "".join(chr(ord("A") - 1 + letter) for letter in letters)
