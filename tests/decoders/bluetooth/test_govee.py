"""Advertisements of Govee thermometers, heard from real ones."""

from __future__ import annotations

import pytest

from bssci.decoders.bluetooth import govee
from tests.decoders.bluetooth.advertisements import Scan, Values, error, values


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
def test_each_model_has_its_readings(scan: Scan, data: bytes, expected: Values) -> None:
    payload = scan(manufacturer={govee.COMPANY: data, 0x004C: b"\x02\x15INTELLI_ROCKS_HWPu\xf2\xff\xc2"})
    assert govee.FACTORY.build({}).matches(payload)
    assert values(govee.FACTORY, payload) == expected


def test_govee_that_cannot_be_read(scan: Scan) -> None:
    assert error(govee.FACTORY, scan(manufacturer={govee.COMPANY: b"\x00\x01"})) == "unknown_format"
    assert error(govee.FACTORY, scan()) == "empty"
