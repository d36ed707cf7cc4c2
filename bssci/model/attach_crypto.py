"""Cryptography of over-the-air attachment, shared by end point and service center (§5.6): pure functions."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

ROLL_OVER_FROM = 0xFFFF00
ROLL_OVER_TO = 0x100
"""a counter below ROLL_OVER_TO may follow one above ROLL_OVER_FROM: its 24 bits have rolled over"""


def attach_signature(network_key: bytes, end_point_eui: int, attach_counter: int) -> bytes:
    """Return the 4 bytes with which an end point proves that it knows its network key.

    :param network_key: 16 bytes.
    :param end_point_eui: 64 bits, signed as big endian.
    :param attach_counter: 24 bits.
    """
    mac = CMAC(algorithms.AES(network_key))
    mac.update(
        end_point_eui.to_bytes(8, "big") + b"\xff\x00" + attach_counter.to_bytes(4, "big") + b"\xff\xff"
    )
    return mac.finalize()[:4]


def is_signed(signature: bytes, network_key: bytes, end_point_eui: int, attach_counter: int) -> bool:
    """Return whether a signature is correct, in a time that does not depend on where it differs."""
    return hmac.compare_digest(signature, attach_signature(network_key, end_point_eui, attach_counter))


def session_key(network_key: bytes, end_point_eui: int, nonce: bytes, signature: bytes) -> bytes:
    """Return the 16-byte network session key of an attachment.

    :param nonce: 4 bytes that the end point drew.
    :param signature: 4 bytes, see :func:`attach_signature`.
    """
    # The cipher is applied to one block only, which the nonce makes unique: ECB leaks nothing here.
    encryptor = Cipher(algorithms.AES(network_key), modes.ECB()).encryptor()
    return encryptor.update(end_point_eui.to_bytes(8, "big") + nonce + signature) + encryptor.finalize()


def may_follow(attach_counter: int, last: int | None) -> bool:
    """Return whether an attach counter is new after ``last``, the last one accepted; the first may be any."""
    if last is None or attach_counter > last:
        return True
    return last > ROLL_OVER_FROM and attach_counter < ROLL_OVER_TO
