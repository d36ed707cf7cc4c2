from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.decoders.bluetooth.beacons import ALTBEACON, APPLE, IBEACON
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.model import Reading

UUID = "f7826da6-4fa2-4e98-8024-bc5b71e0893e"
IBEACON_DATA = bytes.fromhex("0215" + UUID.replace("-", "") + "01020a0b" + "c5")
ALTBEACON_DATA = bytes.fromhex("beac" + "00112233445566778899aabbccddeeff01234567" + "c5" + "00")

Scan = Callable[..., Payload]


def test_an_ibeacon_has_its_identifiers_and_a_distance(scan: Scan) -> None:
    payload = scan(manufacturer={APPLE: IBEACON_DATA}, rssi=-79)
    decoder = IBEACON.build({})
    assert decoder.matches(payload)
    assert decoder.decode(payload, {}) == [
        Reading("beacon_uuid", UUID),
        Reading("beacon_major", 0x0102),
        Reading("beacon_minor", 0x0A0B),
        Reading("reference_rssi", -59, "dBm"),
        Reading("distance", 10.0, "m"),
    ]


def test_a_distance_needs_a_known_rssi(scan: Scan) -> None:
    names = [reading.name for reading in IBEACON.build({}).decode(scan({APPLE: IBEACON_DATA}, rssi=127), {})]
    assert "distance" not in names


def test_what_is_an_ibeacon_beside_something_else_is_not_claimed(scan: Scan) -> None:
    assert not IBEACON.build({}).matches(
        scan(manufacturer={APPLE: IBEACON_DATA, 0xEC88: b"\x00\x03A\xc2d\x00"})
    )
    assert not IBEACON.build({}).matches(scan(manufacturer={APPLE: b"\x10\x05"}))


def test_an_altbeacon_of_any_company(scan: Scan) -> None:
    payload = scan(manufacturer={0x0118: ALTBEACON_DATA}, rssi=-59)
    decoder = ALTBEACON.build({})
    assert decoder.matches(payload)
    assert decoder.decode(payload, {}) == [
        Reading("beacon_id", "00112233445566778899aabbccddeeff01234567"),
        Reading("reference_rssi", -59, "dBm"),
        Reading("distance", 1.0, "m"),
    ]


@pytest.mark.parametrize(
    ("factory", "data", "code"),
    [
        (IBEACON, IBEACON_DATA[:-1], "too_short"),
        (IBEACON, b"\x10\x05", "unknown_format"),
        (ALTBEACON, ALTBEACON_DATA[:-1], "too_short"),
        (ALTBEACON, b"", "unknown_format"),
    ],
)
def test_what_cannot_be_read(
    scan: Scan, factory: AdvertisementDecoderFactory, data: bytes, code: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        factory.build({}).decode(scan(manufacturer={APPLE: data}), {})
    assert caught.value.code == code
