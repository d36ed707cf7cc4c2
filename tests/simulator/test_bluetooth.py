"""Simulated Bluetooth devices: the service's decoders read what they send."""

from __future__ import annotations

import json

import pytest

from bssci.decoders.bluetooth.addresses import is_changing
from bssci.decoders.interfaces import Payload
from bssci.plugins.bluetooth import (
    atc,
    bthome,
    eddystone,
    govee,
    ibeacon,
    ruuvi,
    switchbot,
)
from bssci.scanner.advertisement import message_of
from bssci.simulator.bluetooth import MAKES, BluetoothDevice
from bssci.simulator.instruments import DAY, HOUR

FACTORIES = {each.name: each for each in (atc, bthome, eddystone, govee, ibeacon, ruuvi, switchbot)}
AT = 1_790_000_000.0


def payload(device: BluetoothDevice, at: float = AT) -> Payload:
    """What the service makes of a message."""
    envelope = json.loads(message_of(device.advertisement(at, -60), "roof", at))
    return Payload(data=b"", kind="telegram", device=device.id, received_at=at, envelope=envelope)


def readings(device: BluetoothDevice, at: float = AT) -> dict[str, object]:
    found = FACTORIES[device.make].build({}).decode(payload(device, at), {})
    return {reading.name: reading.value for reading in found}


@pytest.mark.parametrize("number", range(len(MAKES)))
def test_its_decoder_alone_recognises_it(number: int) -> None:
    said = payload(BluetoothDevice(number))
    recognised = {name for name, factory in FACTORIES.items() if factory.build({}).matches(said)}
    assert recognised == {BluetoothDevice(number).make}


@pytest.mark.parametrize("number", [number for number in range(2 * len(MAKES)) if number % 7 != 5])
def test_a_thermometer_is_as_warm_as_a_room(number: int) -> None:
    for hours in range(0, 240, 7):
        found = readings(BluetoothDevice(number), AT + hours * HOUR)
        assert 15 < found["temperature"] < 28  # type: ignore[operator]
        assert 30 < found.get("humidity", 50) < 70  # type: ignore[operator]


def test_makes_of_one_room_agree() -> None:
    """The numbers differ, but not the way in which they are written."""
    found = readings(BluetoothDevice(3))
    assert found.keys() >= {"temperature", "humidity", "pressure", "battery_voltage", "measurement_count"}
    assert found["acceleration_z"] == 1.036


def test_a_beacon_says_who_it_is() -> None:
    found = readings(BluetoothDevice(5))
    assert (found["beacon_major"], found["beacon_minor"]) == (1, 5)
    assert BluetoothDevice(5).wanders


def test_what_changes_is_said_anew() -> None:
    device = BluetoothDevice(1)
    first = device.advertisement(AT, -60).content
    assert device.advertisement(AT, -70).content == first
    assert device.advertisement(AT + DAY / 2, -60).content != first


def test_addresses_are_all_different_and_stay() -> None:
    devices = [BluetoothDevice(number) for number in range(2000)]
    assert len({device.address for device in devices}) == 2000
    assert not any(is_changing(each.address, each.advertisement(AT, -60).address_type) for each in devices)
