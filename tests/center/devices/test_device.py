"""What a telegram says of its sender."""

from __future__ import annotations

import base64

import pytest

from bssci.center.devices.device import ID, Device, has_changing_address, place_of, said_by
from tests.support.telegrams import telegram


def test_an_unknown_device_is_described_by_what_it_sends() -> None:
    envelope = {
        "device": {"address": "AA:BB:CC:DD:EE:FF", "name": "GVH5075_1"},
        "manufacturer_data": {"0xec88": base64.b64encode(b"\1\2").decode(), "0x9999": "!"},
        "service_data": {"0000181a-0000-1000-8000-00805f9b34fb": base64.b64encode(b"\3\4").decode()},
        "service_uuids": ["0000ec88-0000-1000-8000-00805f9b34fb", "CAFE"],
    }
    said = said_by(telegram(payload=b"", envelope=envelope))
    assert said.name == "GVH5075_1"
    assert said.companies == ("0xec88 Govee", "0x9999")
    assert said.services == ("0x181a", "0xec88", "cafe")
    assert said.data == "0304"
    assert said_by(telegram(payload=b"\5" * 100)).data == "05" * 64
    odd = {"manufacturer_data": {"f" * 9000: "AAAA", "0x4c": "AAAA", "-1_0": "AAAA"}}
    assert said_by(telegram(envelope=odd)).companies == ("f" * 20, "0x004c Apple", "-1_0")


@pytest.mark.parametrize(
    "envelope",
    [{"device": 7, "manufacturer_data": [], "service_data": None, "service_uuids": "x", "topic": 9}, {}],
)
def test_a_strange_envelope_says_little(envelope: dict[str, object]) -> None:
    said = said_by(telegram(payload=b"", envelope=envelope))
    assert (said.name, said.companies, said.services, said.data, said.topic) == ("", (), (), "", "")


def test_gateways_are_remembered_the_last_one_last() -> None:
    device = Device("ble:X", 0.0, 0.0)
    for number in range(12):
        device.hear(telegram(gateway=f"g{number % 10}", rssi=-50.0 - number, at=float(number)))
    assert list(device.gateways) == ["g4", "g5", "g6", "g7", "g8", "g9", "g0", "g1"]
    assert device.gateway == "g1" and device.gateways["g1"] == (-61.0, 11.0)
    assert (device.count, device.last_seen) == (12, 11.0)


def test_a_clock_that_was_ahead_leaves_no_later_time() -> None:
    device = Device("ble:X", 0.0, 0.0)
    device.hear(telegram(at=2_000_000_000.0))
    device.hear(telegram(at=1_800_000_000.0))
    assert device.last_seen == 1_800_000_000.0


def test_addresses_that_change() -> None:
    def of(kind: object, address: str = "ble:4A:BB:CC:DD:EE:FF") -> bool:
        return has_changing_address(telegram(device=address, envelope={"device": {"address_type": kind}}))

    assert of("random") and not of("public") and not of("random", "ble:CA:BB:CC:DD:EE:FF")
    assert not of("random", "ble:?") and not of("random", "f2:4a")
    assert not has_changing_address(telegram(envelope={"device": 7}))


@pytest.mark.parametrize("id", ["ble:AA:BB", "f2:0a1b/J1/3", "zigbee:living_room"])
def test_an_id_is_its_kind_and_an_address_or_a_name(id: str) -> None:
    assert ID.fullmatch(id)


@pytest.mark.parametrize("id", ["", "ble", "ble:", "BLE:x", "ble:a b", "ble:a#", "ble:" + "x" * 200])
def test_what_is_no_id(id: str) -> None:
    assert not ID.fullmatch(id)


def test_the_place_at_a_controller_is_in_the_id() -> None:
    assert place_of("f2:0a1b/J1/3") == ("f2:0a1b", "J1/3")
    assert place_of("ble:AA") == ("", "")
