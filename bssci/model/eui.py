"""EUI-64 identifiers: 16 upper-case hexadecimal digits everywhere but on the wire."""

from __future__ import annotations

import re
from typing import NewType

EUI = NewType("EUI", str)
"""An EUI-64 as 16 upper-case hexadecimal digits, for example ``70B3D56770111505``."""

_SEPARATORS = str.maketrans("", "", "-:")
_HEX16 = re.compile(r"[0-9A-Fa-f]{16}")
EUI_IN_TEXT = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{16}|[0-9a-f]{2}([-:])(?:[0-9a-f]{2}\1){6}[0-9a-f]{2})(?!\1?[0-9a-f])",
    re.IGNORECASE,
)
"""an EUI in any spelling within a text, such as ``urn:dev:mac:70b3d567ffff1505``; no part of more digits"""


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
