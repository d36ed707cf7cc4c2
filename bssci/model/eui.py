"""EUI-64 identifiers: 16 upper-case hexadecimal digits everywhere but on the wire."""

from __future__ import annotations

import re
from typing import NewType

EUI = NewType("EUI", str)
"""An EUI-64 as 16 upper-case hexadecimal digits, for example ``70B3D56770111505``."""

_SEPARATORS = str.maketrans("", "", "-:")
_HEX16 = re.compile(r"[0-9A-Fa-f]{16}")


def parse_eui(text: str) -> EUI:
    """Read an EUI in any case, with or without ``-`` or ``:`` between its digits.

    :raises ValueError: if it is not 16 hexadecimal digits.
    """
    digits = text.strip().translate(_SEPARATORS)
    if not _HEX16.fullmatch(digits):
        raise ValueError(f"{text!r} is not an EUI: 16 hexadecimal digits are allowed")
    return EUI(digits.upper())


def eui_from_int(value: int) -> EUI:
    """Return the EUI for an integer 0..2**64-1, most significant byte first."""
    return EUI(f"{value:016X}")


def eui_to_int(eui: EUI) -> int:
    """Return the integer 0..2**64-1 that the wire carries for this EUI."""
    return int(eui, 16)
