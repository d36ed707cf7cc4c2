from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.decoders.bluetooth.eddystone import FACTORY, SERVICE
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.model import Reading

EDDYSTONE = FACTORY.build({})

Scan = Callable[..., Payload]


@pytest.mark.parametrize(
    ("data", "readings"),
    [
        (
            "00ee8b0ca750095477cb3e770123456789ab0000",
            [
                Reading("beacon_namespace", "8b0ca750095477cb3e77"),
                Reading("beacon_instance", "0123456789ab"),
                Reading("reference_rssi", -59, "dBm"),
                Reading("distance", 1.12, "m"),
            ],
        ),
        (
            "10ee03" + b"goo.gl/Aq18zF".hex(),
            [
                Reading("url", "https://goo.gl/Aq18zF"),
                Reading("reference_rssi", -59, "dBm"),
                Reading("distance", 1.12, "m"),
            ],
        ),
        (
            "10ee00" + b"example".hex() + "07",
            [
                Reading("url", "http://www.example.com"),
                Reading("reference_rssi", -59, "dBm"),
                Reading("distance", 1.12, "m"),
            ],
        ),
        (
            "20000bb81580000000ff00000e10",
            [
                Reading("battery_voltage", 3.0, "V"),
                Reading("temperature", 21.5, "°C"),
                Reading("advertisement_count", 255),
                Reading("uptime", 360.0, "s"),
            ],
        ),
        (
            "200000008000000000ff00000e10",  # neither battery nor temperature
            [Reading("advertisement_count", 255), Reading("uptime", 360.0, "s")],
        ),
    ],
)
def test_each_kind_of_frame_has_its_readings(scan: Scan, data: str, readings: list[Reading]) -> None:
    payload = scan(service={SERVICE: bytes.fromhex(data)})
    assert EDDYSTONE.matches(payload)
    assert EDDYSTONE.decode(payload, {}) == readings


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "empty"),
        ("40", "unknown_format"),
        ("00ee8b", "too_short"),
        ("10ee0461", "unknown_format"),
        ("10ee0320", "bad_value"),
        ("2001", "unsupported_encryption"),
        ("2002", "unknown_format"),
        ("20000bb8", "too_short"),
    ],
)
def test_what_cannot_be_read(scan: Scan, data: str, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        EDDYSTONE.decode(scan(service={SERVICE: bytes.fromhex(data)}), {})
    assert caught.value.code == code
