"""Advertisements of SwitchBot thermometers, heard from real ones."""

from __future__ import annotations

import pytest

from bssci.decoders.bluetooth import switchbot
from tests.decoders.bluetooth.advertisements import Scan, Values, error, values


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
def test_each_model_has_its_readings(
    scan: Scan, service: bytes, manufacturer: bytes, expected: Values
) -> None:
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
