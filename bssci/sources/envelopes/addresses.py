"""Hardware addresses in every spelling, written in one."""

from __future__ import annotations

import re

from bssci.sources.envelopes.values import BadMessage

_SEPARATORS = re.compile(r"[:\-.\s]")
_DIGITS = re.compile(r"[0-9A-Fa-f]{12}")


def mac_digits(text: object) -> str:
    """Return the 12 hexadecimal digits of a hardware address, as they are.

    :raises BadMessage: the text is not a hardware address.
    """
    digits = _SEPARATORS.sub("", text) if isinstance(text, str) and len(text) <= 40 else ""
    if not _DIGITS.fullmatch(digits):
        raise BadMessage("not a hardware address of 12 hexadecimal digits")
    return digits


def bluetooth_address(text: object) -> str:
    """Return a Bluetooth address as ``AA:BB:CC:DD:EE:FF``.

    :raises BadMessage: the text is not a hardware address.
    """
    digits = mac_digits(text).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
