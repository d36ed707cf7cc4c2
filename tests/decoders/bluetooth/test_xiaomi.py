"""Advertisements of Xiaomi thermometers, heard from real ones."""

from __future__ import annotations

import pytest

from bssci.decoders.bluetooth import xiaomi
from tests.decoders.bluetooth.advertisements import Scan, error, values

KEY = {"bindkey": "e9ea895fac7cca6d30532432a516f3a8"}
SEALED = bytes.fromhex("58585b0550f4830238c1a495ef58763c26000097e2abb5")


def test_a_plain_frame_of_old_and_new_firmware_is_read(scan: Scan) -> None:
    plain = scan(service={xiaomi.SERVICE: b"P0[\x05\x03L\x94\xb48\xc1\xa4\r\x10\x04\x10\x01\xea\x01"})
    assert xiaomi.FACTORY.build({}).matches(plain)
    assert values(xiaomi.FACTORY, plain) == {"temperature": 27.2, "humidity": 49.0}
    older = scan(service={xiaomi.SERVICE: b"P \xaa\x01\xa3\xbf.;4-X\r\x10\x04\xb4\x00\x95\x02\n\x10\x01;"})
    assert values(xiaomi.FACTORY, older) == {"temperature": 18.0, "humidity": 66.1, "battery": 59}


def test_an_encrypted_frame_is_read_with_the_right_key_only(scan: Scan) -> None:
    payload = scan(service={xiaomi.SERVICE: SEALED}, address="A4:C1:38:02:83:F4")
    assert values(xiaomi.FACTORY, payload, KEY) == {"humidity": 46.7}
    assert error(xiaomi.FACTORY, payload) == "no_key"
    assert error(xiaomi.FACTORY, payload, {"key": "00" * 16}) == "wrong_key"


def test_xiaomi_without_an_object_says_nothing(scan: Scan) -> None:
    assert (
        values(xiaomi.FACTORY, scan(service={xiaomi.SERVICE: bytes.fromhex("30585b05018883" + "0238c1a428")}))
        == {}
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "empty"),
        ("5030", "too_short"),
        ("50305b0503aa", "too_short"),
        ("50105b0503", "unknown_format"),
        ("40305b0503041004f600", "too_short"),
        ("40305b050304100101", "bad_value"),
        ("40305b0503ffff0101", "unknown_format"),
        ("48305b0503041002f600aabbccdd", "unsupported_encryption"),
    ],
)
def test_xiaomi_that_cannot_be_read(scan: Scan, data: str, code: str) -> None:
    assert error(xiaomi.FACTORY, scan(service={xiaomi.SERVICE: bytes.fromhex(data)})) == code


def test_xiaomi_with_a_number_that_is_none(scan: Scan) -> None:
    frame = bytes.fromhex("40505b0503014c040000c07f")
    assert values(xiaomi.FACTORY, scan(service={xiaomi.SERVICE: frame})) == {}
    frame = bytes.fromhex("40505b0503014c04cdccb441")
    assert values(xiaomi.FACTORY, scan(service={xiaomi.SERVICE: frame})) == {"temperature": 22.6}
