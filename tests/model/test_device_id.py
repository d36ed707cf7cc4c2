from __future__ import annotations

import pytest

from bssci.model.device_id import eui_of_device, parse_device_id, sensor_device

EUI = "70B3D56770111505"


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (EUI, f"mioty:{EUI}"),
        (f"mioty:{EUI.lower()}", f"mioty:{EUI}"),
        ("70-b3-d5-67-70-11-15-05", f"mioty:{EUI}"),
        ("70:b3:d5:67:70:11:15:05", f"mioty:{EUI}"),
        ("ble:aabbccddeeff", "ble:AA:BB:CC:DD:EE:FF"),
        ("ble:AA-BB-CC-DD-EE-FF", "ble:AA:BB:CC:DD:EE:FF"),
        ("ble:AA:BB:CC:DD:EE:FF", "ble:AA:BB:CC:DD:EE:FF"),
        ("f2:0011aabbccdd/J1/3", "f2:0011aabbccdd/J1/3"),
        ("wmbus:KAM-12345678", "wmbus:KAM-12345678"),
    ],
)
def test_an_id_in_every_spelling_is_one(text: str, device: str) -> None:
    assert parse_device_id(text) == device
    assert parse_device_id(device) == device


@pytest.mark.parametrize(
    "text", ["", "xx", ":", "f2:", ":x", "mioty:12", "mioty:", "ble:", "f2:\n", "f2:" + "a" * 200]
)
def test_what_is_no_id_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not a device id"):
        parse_device_id(text)


def test_a_sensor_is_told_apart_from_other_devices() -> None:
    assert eui_of_device(sensor_device(EUI)) == EUI
    assert eui_of_device("ble:AA:BB:CC:DD:EE:FF") is None
