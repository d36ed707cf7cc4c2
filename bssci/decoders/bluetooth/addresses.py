"""Bluetooth addresses, and the companies of manufacturer data."""

from __future__ import annotations

_STATIC = 0b11
COMPANIES = {
    0x0006: "Microsoft",
    0x004C: "Apple",
    0x0059: "Nordic Semiconductor",
    0x0075: "Samsung",
    0x0087: "Garmin",
    0x00E0: "Google",
    0x0157: "Huami",
    0x0171: "Amazon",
    0x02E5: "Espressif",
    0x038F: "Xiaomi",
    0x0499: "Ruuvi",
    0x0969: "Woan (SwitchBot)",
    0x0BA9: "Allterco (Shelly)",
    0xEC88: "Govee",
}
"""common companies, by the identifier of their manufacturer data"""


def is_changing(address: str, address_type: object) -> bool:
    """Return whether a Bluetooth address is one that its device changes every few minutes.

    Random addresses are static, resolvable private or non-resolvable private by their two highest bits
    (Bluetooth Core Specification, volume 6, part B, 1.3.2).

    :param address: ``AA:BB:CC:DD:EE:FF``.
    :param address_type: ``random`` or ``public``, as reported.
    """
    return address_type == "random" and int(address[:2], 16) >> 6 != _STATIC
