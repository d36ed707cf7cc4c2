"""Advertisements of thermometers with the ATC firmware, heard from real ones."""

from __future__ import annotations

from bssci.decoders.bluetooth import atc
from tests.decoders.bluetooth.advertisements import Scan, error, values


def test_both_firmwares_are_read(scan: Scan) -> None:
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
