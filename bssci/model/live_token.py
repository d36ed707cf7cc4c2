"""Form of the tokens for live streams; a checksum reveals a mistyped one before it is sent.

    bssci_mqtt_ + 32 random letters and digits + 6 that are their CRC-32 in base 62

The prefix never changes: scanners for leaked secrets find tokens by it, and use the checksum to tell
them from text that only looks similar.
"""

from __future__ import annotations

import zlib
from string import ascii_lowercase, ascii_uppercase, digits

PREFIX = "bssci_mqtt_"
ALPHABET = digits + ascii_uppercase + ascii_lowercase
RANDOM = 32
"""characters that are drawn at random"""
CHECK = 6
"""characters of the checksum"""


def compose(drawn: str) -> str:
    """Return the token of :data:`RANDOM` characters of :data:`ALPHABET` that were drawn at random."""
    return f"{PREFIX}{drawn}{_checksum(drawn)}"


def fault_of(token: str) -> str | None:
    """Return what is wrong with the form of a token, quoting no part of it; None if nothing is."""
    if not token:
        return "is empty"
    if token != token.strip():
        return "begins or ends with white space"
    if not token.startswith(PREFIX):
        return f"does not begin with {PREFIX}"
    rest = token.removeprefix(PREFIX)
    if len(rest) != RANDOM + CHECK:
        return f"has {len(token)} characters, not {len(PREFIX) + RANDOM + CHECK}"
    if not set(rest) <= set(ALPHABET):
        return "has characters that are neither letters nor digits"
    if rest[RANDOM:] != _checksum(rest[:RANDOM]):
        return "has a wrong checksum: a character is mistyped or missing"
    return None


def _checksum(drawn: str) -> str:
    number, text = zlib.crc32(drawn.encode()), ""
    for _ in range(CHECK):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text
