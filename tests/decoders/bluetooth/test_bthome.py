"""BTHome: the examples of its description and of its reference implementation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.decoders.bluetooth.bthome import FACTORY, SERVICE
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.model import Reading

BTHOME = FACTORY.build({})
KEY = {"key": "231d39c1d7cc1ab1aee224cd096db932"}
ENCRYPTED = bytes.fromhex("41a47266c95f730011223378237214")
ADDRESS = "54:48:E6:8F:80:A5"

Scan = Callable[..., Payload]


@pytest.mark.parametrize(
    ("data", "readings"),
    [
        ("4002ca0903bf13", [Reading("temperature", 25.06, "°C"), Reading("humidity", 50.55, "%")]),
        ("4004138a01", [Reading("pressure", 1008.83, "hPa")]),
        ("400d120c0e021c", [Reading("pm2_5", 3090, "µg/m³"), Reading("pm10", 7170, "µg/m³")]),
        ("403c0103", [Reading("dimmer_event", "rotate_left"), Reading("dimmer_steps", 3)]),
        ("403f020c", [Reading("rotation", 307.4, "°")]),
        ("4049dc87", [Reading("flow", 34.78, "m³/h")]),
        ("404f87562a01", [Reading("volume", 19.551879, "m³")]),
        ("4058ea", [Reading("temperature", -7.7, "°C")]),
        ("40630057d0ff", [Reading("acceleration", -3.123456, "m/s²")]),
        (
            "40002e01641e012e34451601",
            [
                Reading("battery", 100, "%"),
                Reading("light_detected", True),
                Reading("humidity", 52, "%"),
                Reading("temperature", 27.8, "°C"),
            ],
        ),
        ("4002ca0902cf09", [Reading("temperature", 25.06, "°C"), Reading("temperature_2", 25.11, "°C")]),
        ("403a04", [Reading("button_event", "long_press")]),
        ("403a00", []),
        ("40530c48656c6c6f20576f726c6421", [Reading("text", "Hello World!")]),
        ("40f100010204", [Reading("firmware_version", "4.2.1.0")]),
    ],
)
def test_each_object_has_its_name_scale_and_unit(scan: Scan, data: str, readings: list[Reading]) -> None:
    payload = scan(service={SERVICE: bytes.fromhex(data)})
    assert BTHOME.matches(payload)
    assert BTHOME.decode(payload, {}) == readings


def test_an_encrypted_example(scan: Scan) -> None:
    payload = scan(service={SERVICE: ENCRYPTED}, address=ADDRESS)
    assert BTHOME.decode(payload, KEY) == [
        Reading("temperature", 25.06, "°C"),
        Reading("humidity", 50.55, "%"),
    ]
    motion = scan(service={SERVICE: bytes.fromhex("4187b90011223372b0231f")}, address=ADDRESS)
    assert BTHOME.decode(motion, KEY) == [Reading("motion", True)]


def test_the_address_in_the_message_counts_for_the_key(scan: Scan) -> None:
    # made here: the reference has no example of this
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    address, counter = bytes.fromhex(ADDRESS.replace(":", "")), bytes(4)
    sealed = AESCCM(bytes.fromhex(KEY["key"]), 4).encrypt(
        address + b"\xd2\xfc\x43" + counter, bytes.fromhex("0161"), None
    )
    data = b"\x43" + address[::-1] + sealed[:-4] + counter + sealed[-4:]
    assert BTHOME.decode(scan(service={SERVICE: data}), KEY) == [Reading("battery", 97, "%")]


@pytest.mark.parametrize(
    ("data", "parameters", "code"),
    [
        (ENCRYPTED.hex(), {}, "no_key"),
        (ENCRYPTED.hex(), {"key": "814aac74c4f17b6c1581e1ab87816b99"}, "wrong_key"),
        (ENCRYPTED.hex(), {"key": "814a"}, "bad_key"),
        (ENCRYPTED.hex(), {"key": 7}, "bad_key"),
        ("4004138a01", KEY, "not_encrypted"),
        ("4002ca0903bf", {}, "too_short"),
        ("4053", {}, "too_short"),
        ("410000", KEY, "too_short"),
        ("40fe01", {}, "unknown_format"),
        ("2002ca09", {}, "unknown_format"),
        ("", {}, "empty"),
    ],
)
def test_what_cannot_be_read(scan: Scan, data: str, parameters: dict[str, str], code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        BTHOME.decode(scan(service={SERVICE: bytes.fromhex(data)}, address=ADDRESS), parameters)
    assert caught.value.code == code
    assert not any(str(value) in caught.value.message for value in parameters.values())


def test_what_is_newer_than_the_table_costs_nothing_before_it(scan: Scan) -> None:
    assert BTHOME.decode(scan(service={SERVICE: bytes.fromhex("400161fe05")}), {}) == [
        Reading("battery", 97, "%")
    ]
