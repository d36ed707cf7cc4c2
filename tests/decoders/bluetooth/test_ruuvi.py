"""RuuviTag: the test vectors of docs.ruuvi.com."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.decoders.bluetooth.ruuvi import COMPANY, FACTORY
from bssci.decoders.interfaces import DecodeError, Payload

RUUVI = FACTORY.build({})

Scan = Callable[..., Payload]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (
            "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F",
            {
                "temperature": 24.3,
                "humidity": 53.49,
                "pressure": 1000.44,
                "acceleration_x": 0.004,
                "acceleration_y": -0.004,
                "acceleration_z": 1.036,
                "battery_voltage": 2.977,
                "tx_power": 4,
                "movement_count": 66,
                "measurement_count": 205,
            },
        ),
        (  # the highest values; a humidity of 163 % is none
            "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F",
            {
                "temperature": 163.835,
                "pressure": 1155.34,
                "acceleration_x": 32.767,
                "acceleration_y": 32.767,
                "acceleration_z": 32.767,
                "battery_voltage": 3.646,
                "tx_power": 20,
                "movement_count": 254,
                "measurement_count": 65534,
            },
        ),
        (  # the lowest values
            "058001000000008001800180010000000000CBB8334C884F",
            {
                "temperature": -163.835,
                "humidity": 0,
                "pressure": 500,
                "acceleration_x": -32.767,
                "acceleration_y": -32.767,
                "acceleration_z": -32.767,
                "battery_voltage": 1.6,
                "tx_power": -40,
                "movement_count": 0,
                "measurement_count": 0,
            },
        ),
        ("058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF", {}),  # nothing is available
        (
            "03291A1ECE1EFC18F94202CA0B53",
            {
                "temperature": 26.3,
                "humidity": 20.5,
                "pressure": 1027.66,
                "acceleration_x": -1.0,
                "acceleration_y": -1.726,
                "acceleration_z": 0.714,
                "battery_voltage": 2.899,
            },
        ),
        (  # the highest; 127.5 % and 65 V are none
            "03FF7F63FFFF7FFF7FFF7FFFFFFF",
            {
                "temperature": 127.99,
                "pressure": 1155.35,
                "acceleration_x": 32.767,
                "acceleration_y": 32.767,
                "acceleration_z": 32.767,
            },
        ),
        (  # the lowest; a battery of 0 V is none
            "0300FF6300008001800180010000",
            {
                "temperature": -127.99,
                "humidity": 0,
                "pressure": 500,
                "acceleration_x": -32.767,
                "acceleration_y": -32.767,
                "acceleration_z": -32.767,
            },
        ),
    ],
)
def test_the_vendor_s_vectors_give_the_vendor_s_values(
    scan: Scan, data: str, values: dict[str, float]
) -> None:
    payload = scan(manufacturer={COMPANY: bytes.fromhex(data)})
    assert RUUVI.matches(payload)
    assert {reading.name: reading.value for reading in RUUVI.decode(payload, {})} == values


@pytest.mark.parametrize(
    ("data", "code"),
    [("", "empty"), ("0512FC", "too_short"), ("03" + "00" * 14, "too_long"), ("08", "unknown_format")],
)
def test_what_cannot_be_read(scan: Scan, data: str, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        RUUVI.decode(scan(manufacturer={COMPANY: bytes.fromhex(data)}), {})
    assert caught.value.code == code
