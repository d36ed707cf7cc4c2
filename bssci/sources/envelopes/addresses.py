"""Hardware addresses in every spelling, written in one."""

from __future__ import annotations

import re

from bssci.sources.envelopes.values import BadMessage

_SEPARATORS = re.compile(r"[:\-.\s]")
_DIGITS = re.compile(r"[0-9A-Fa-f]{12}")
_STATIC = 0b11


def mac_digits(text: object) -> str:
    """Return the 12 hexadecimal digits of a hardware address, as they are.

    :raises BadMessage: it is none.
    """
    digits = _SEPARATORS.sub("", text) if isinstance(text, str) and len(text) <= 40 else ""
    if not _DIGITS.fullmatch(digits):
        raise BadMessage("no hardware address of 12 hexadecimal digits")
    return digits


def bluetooth_address(text: object) -> str:
    """Return a Bluetooth address as ``AA:BB:CC:DD:EE:FF``.

    :raises BadMessage: it is none.
    """
    digits = mac_digits(text).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def changes(address: str, address_type: object) -> bool:
    """Return whether a Bluetooth address is one that its device changes every some minutes.

    Random addresses are static, resolvable private or non-resolvable private by their two highest bits
    (Bluetooth Core Specification, volume 6, part B, 1.3.2).

    :param address: as :func:`bluetooth_address` writes it.
    :param address_type: ``random`` or ``public``, as reported.
    """
    return address_type == "random" and int(address[:2], 16) >> 6 != _STATIC
