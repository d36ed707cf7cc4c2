"""Encryption of the extended link layer (EN 13757-4), which Kamstrup's meters use.

L C M M A A A A V T | CI CC ACC [M M A A A A V T] SN SN SN SN | checksum checksum CI data ...
                                                               `-------- AES-CTR --------->
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.wireless_mbus import FIRST_BLOCK, checksum

_ADDRESSES = {0x8D: 0, 0x8F: 8}
"""bytes of a second address, by the CI of a layer with a session number"""
_AES_CTR = 1
_COMPACT = 0x79


class _Layer(NamedTuple):
    """Settings of the layer, and its place in the frame."""

    control: int
    """the field CC"""
    session: bytes
    address: bytes
    """manufacturer and address that the key is for"""
    begin: int
    """the first encrypted byte"""


def is_link_encrypted(frame: bytes) -> bool:
    """Return whether the extended link layer of a wireless frame without checksums is encrypted."""
    return _layer(frame) is not None


def decrypt_link_layer(frame: bytes, key: bytes) -> bytes:
    """Return an encrypted frame decrypted and without the layer, or any other frame unchanged.

    :raises DecodeError: ``wrong_key``, ``compact_frame``.
    """
    layer = _layer(frame)
    if layer is None:
        return frame
    start = layer.address + bytes([layer.control]) + layer.session + bytes(3)
    plain = Cipher(algorithms.AES(key), modes.CTR(start)).decryptor().update(frame[layer.begin :])
    if int.from_bytes(plain[:2], "little") != checksum(plain[2:]):
        raise DecodeError("wrong_key", "the key in decoderParameters does not fit this meter")
    if plain[2] == _COMPACT:
        raise DecodeError(
            "compact_frame", f"byte {layer.begin + 2}: values only; the full frame says what they are"
        )
    whole = frame[1:FIRST_BLOCK] + plain[2:]
    return bytes([len(whole)]) + whole


def _layer(frame: bytes) -> _Layer | None:
    """Return the layer if it is encrypted."""
    address = _ADDRESSES.get(frame[FIRST_BLOCK]) if len(frame) > FIRST_BLOCK else None
    if address is None:
        return None
    second = FIRST_BLOCK + 3
    at = second + address
    session = frame[at : at + 4]
    begin = at + 4
    # The highest three bits of the session number say how it is encrypted; a checksum and a CI follow it.
    if len(frame) < begin + 3 or session[3] >> 5 != _AES_CTR:
        return None
    owner = frame[second:at] if address else frame[2:FIRST_BLOCK]
    return _Layer(frame[FIRST_BLOCK + 1], session, owner, begin)
