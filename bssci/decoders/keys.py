"""Keys in the parameters of a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.decoders.interfaces import DecodeError

KEY_BYTES = 16
_NAMES = ("key", "bindkey")


def aes_key(parameters: Mapping[str, Any]) -> bytes | None:
    """Return the 128-bit key in ``key`` or ``bindkey``; None if there is none.

    :raises DecodeError: ``bad_key``: it is not a key. The message does not repeat it.
    """
    for name in _NAMES:
        value = parameters.get(name)
        if value is None or value == "":
            continue
        try:
            key = bytes.fromhex(value)
        except (TypeError, ValueError):
            raise DecodeError("bad_key", f"{name} must be 32 hexadecimal digits") from None
        if len(key) != KEY_BYTES:
            raise DecodeError("bad_key", f"{name} must be 32 hexadecimal digits; it has {2 * len(key)}")
        return key
    return None


def needed_key(parameters: Mapping[str, Any]) -> bytes:
    """Return the key of an encrypted message.

    :raises DecodeError: ``no_key`` or ``bad_key``.
    """
    key = aes_key(parameters)
    if key is None:
        raise DecodeError("no_key", "encrypted; decoderParameters need a key")
    return key
