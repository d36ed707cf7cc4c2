"""Thermometers of Xiaomi, Govee and SwitchBot: advertisements that were heard from real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bssci.decoders.bluetooth import atc, govee, switchbot, xiaomi
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.interfaces import DecodeError, Payload

Scan = Callable[..., Payload]
Values = dict[str, float]

KEY = {"bindkey": "e9ea895fac7cca6d30532432a516f3a8"}
SEALED = bytes.fromhex("58585b0550f4830238c1a495ef58763c26000097e2abb5")


def values(
    factory: AdvertisementDecoderFactory, payload: Payload, parameters: Mapping[str, Any] = {}
) -> Values:
    decoder = factory.build({})
    return {reading.name: reading.value for reading in decoder.decode(payload, parameters)}  # type: ignore[misc]


def error(factory: AdvertisementDecoderFactory, payload: Payload, parameters: Mapping[str, Any] = {}) -> str:
    with pytest.raises(DecodeError) as caught:
        factory.build({}).decode(payload, parameters)
    return caught.value.code


def test_xiaomi(scan: Scan) -> None:
    plain = scan(service={xiaomi.SERVICE: b"P0[\x05\x03L\x94\xb48\xc1\xa4\r\x10\x04\x10\x01\xea\x01"})
    assert xiaomi.FACTORY.build({}).matches(plain)
    assert values(xiaomi.FACTORY, plain) == {"temperature": 27.2, "humidity": 49.0}
    older = scan(service={xiaomi.SERVICE: b"P \xaa\x01\xa3\xbf.;4-X\r\x10\x04\xb4\x00\x95\x02\n\x10\x01;"})
    assert values(xiaomi.FACTORY, older) == {"temperature": 18.0, "humidity": 66.1, "battery": 59}


def test_xiaomi_encrypted(scan: Scan) -> None:
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


def test_atc(scan: Scan) -> None:
    old = scan(service={atc.SERVICE: bytes.fromhex("a4c138aabbcc00f43d5e0bb807")})
    assert atc.FACTORY.build({}).matches(old)
    assert values(atc.FACTORY, old) == {
        "temperature": 24.4,
        "humidity": 61,
        "battery": 94,
        "battery_voltage": 3.0,
        "measurement_count": 7,
    }
    new = scan(
        service={atc.SERVICE: bytes.fromhex("ccbbaa38c1a4" + "9cff" + "2a16" + "8a0b" + "5e" + "08" + "04")}
    )
    assert values(atc.FACTORY, new) == {
        "temperature": -1.0,
        "humidity": 56.74,
        "battery": 94,
        "battery_voltage": 2.954,
        "measurement_count": 8,
    }
    assert not atc.FACTORY.build({}).matches(scan(service={atc.SERVICE: b"\x00\x01"}))
    assert error(atc.FACTORY, scan(service={atc.SERVICE: b"\x00\x01"})) == "unknown_format"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x00\x03A\xc2d\x00", {"temperature": 21.3, "humidity": 44.2, "battery": 100}),
        (
            b"\x00\x03A\xc2d\x00L\x00\x02\x15INTELLI_ROCKS_HWPu\xf2\xff\x0c",
            {"temperature": 21.3, "humidity": 44.2, "battery": 100},
        ),
        (b"\x00\x03\x0f\xc95\x00", {"temperature": 20.0, "humidity": 64.9, "battery": 53}),
        (b"\x00\x80\x4e\x9f5\x00", {"temperature": -2.0, "humidity": 12.7, "battery": 53}),
        (b"\x00\xbc\x00\x04>'", {"battery": 62}),  # -393 °C
        (b"\x00J\x00(;\x00", {"battery": 59}),  # 484 °C
        (b"\x00\x03A\xc2\xe4\x00", {"battery": 100}),  # says that its sensor failed
        (b"\x00\xe6\t\xbc\x12d\x02", {"temperature": 25.34, "humidity": 47.96, "battery": 100}),  # H5074
    ],
)
def test_govee(scan: Scan, data: bytes, expected: Values) -> None:
    payload = scan(manufacturer={govee.COMPANY: data, 0x004C: b"\x02\x15INTELLI_ROCKS_HWPu\xf2\xff\xc2"})
    assert govee.FACTORY.build({}).matches(payload)
    assert values(govee.FACTORY, payload) == expected


def test_govee_that_cannot_be_read(scan: Scan) -> None:
    assert error(govee.FACTORY, scan(manufacturer={govee.COMPANY: b"\x00\x01"})) == "unknown_format"
    assert error(govee.FACTORY, scan()) == "empty"


@pytest.mark.parametrize(
    ("service", "manufacturer", "expected"),
    [
        (b"T\x00\xe4\x06\x985", b"", {"temperature": 24.6, "humidity": 53, "battery": 100}),
        (
            b"w\x00\xe4",
            b"\xaa\xbb\xcc\xdd\xee\xff\xe0\x0f\x06\x985\x00",
            {"temperature": 24.6, "humidity": 53, "battery": 100},
        ),
        (
            b"4\x00d",
            b"\xb0\xe9\xfeR\xdd\x84\x06d\x08\x97,\x00\x05",
            {"temperature": 23.8, "humidity": 44, "battery": 100},
        ),
        (
            b"5\x00d",
            b"\xb0\xe9\xfeT2\x15\xb7\xe4\x07\x9b\xa4\x007\x02\xd5\x00",
            {"temperature": 27.7, "humidity": 36, "battery": 100, "co2": 725},
        ),
        (b"T\x00\x00\x00\x00\x00", b"", {"battery": 0}),
        (b"T\x00\xe4\x05\x03\x35", b"", {"temperature": -3.5, "humidity": 53, "battery": 100}),
    ],
)
def test_switchbot(scan: Scan, service: bytes, manufacturer: bytes, expected: Values) -> None:
    payload = scan(
        service={0xFD3D: service}, manufacturer={switchbot.COMPANY: manufacturer} if manufacturer else None
    )
    assert switchbot.FACTORY.build({}).matches(payload)
    assert values(switchbot.FACTORY, payload) == expected


def test_switchbot_that_cannot_be_read(scan: Scan) -> None:
    assert error(switchbot.FACTORY, scan()) == "empty"
    assert error(switchbot.FACTORY, scan(service={0xFD3D: b"T\x00"})) == "too_short"
    bot = scan(service={0xFD3D: b"H\x90\x0f"})
    assert not switchbot.FACTORY.build({}).matches(bot)
    assert error(switchbot.FACTORY, bot) == "unknown_format"
