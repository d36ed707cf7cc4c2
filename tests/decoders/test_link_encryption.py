from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.link_encryption import decrypt_link_layer, is_link_encrypted
from bssci.decoders.mbus import MBusDecoder
from bssci.decoders.wireless_mbus import checksum
from bssci.model import Reading

KEY = bytes(range(16))
METER = bytes.fromhex("2D2C7856341216")
"""manufacturer KAM, number 12345678, version, ..."""
RECORD = bytes.fromhex("78 0413 08190000")
"""a header that is none, then a volume of 6408 litres"""


def frame(
    inner: bytes = RECORD, ci: int = 0x8D, session: int = 0x20000001, own_checksum: bytes = b""
) -> bytes:
    """A frame as a meter encrypts it."""
    address = METER + b"\x07"
    second = bytes.fromhex("A81511111111") + b"\x01\x06" if ci == 0x8F else b""
    number = session.to_bytes(4, "little")
    start = (second or address) + b"\x20" + number + bytes(3)
    plain = (own_checksum or checksum(inner).to_bytes(2, "little")) + inner
    sealed = Cipher(algorithms.AES(KEY), modes.CTR(start)).encryptor().update(plain)
    body = b"\x44" + address + bytes([ci]) + b"\x20\x55" + second + number + sealed
    return bytes([len(body)]) + body


@pytest.mark.parametrize("ci", [0x8D, 0x8F])
def test_an_encrypted_layer_is_taken_off(ci: int) -> None:
    sealed = frame(ci=ci)
    assert is_link_encrypted(sealed)
    opened = decrypt_link_layer(sealed, KEY)
    assert opened == bytes([16]) + b"\x44" + METER + b"\x07" + RECORD
    assert not is_link_encrypted(opened) and decrypt_link_layer(opened, KEY) == opened


def test_what_is_not_encrypted_stays() -> None:
    assert not is_link_encrypted(frame(session=1))
    assert not is_link_encrypted(frame(ci=0x8C))
    for length in range(len(frame())):
        is_link_encrypted(frame()[:length])


@pytest.mark.parametrize(
    ("sealed", "key", "code"),
    [(frame(), bytes(16), "wrong_key"), (frame(b"\x79" + bytes(9)), KEY, "compact_frame")],
)
def test_what_cannot_be_opened(sealed: bytes, key: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decrypt_link_layer(sealed, key)
    assert refused.value.code == code


def test_a_meter_is_read_with_its_key() -> None:
    payload = Payload(data=frame(), kind="variable-mac", device="wmbus:KAM-12345678", received_at=0.0)
    assert MBusDecoder().decode(payload, {"key": KEY.hex()}) == [Reading("volume", 6.408, "m³")]
    with pytest.raises(DecodeError, match="need a key"):
        MBusDecoder().decode(payload, {})
