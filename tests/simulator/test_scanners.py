"""Simulated scanners: agents that hear simulated devices."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.task import Clock

from bssci.scanner.configuration import MqttPart
from bssci.simulator.bluetooth import BluetoothDevice
from bssci.simulator.scanners import NEAR, WALK, Surroundings, make_scanner
from tests.simulator.gateway_client import Client

AT = 1_790_000_000.0


class Fixture:
    """One scanner among two."""

    def __init__(self, devices: int = 7) -> None:
        self.clock = Clock()
        now = lambda: AT + self.clock.seconds()  # noqa: E731
        made = [BluetoothDevice(number) for number in range(devices)]
        self.around = Surroundings(self.clock, made, 2, 10.0, Random(1), now)
        self.scanner: Any = make_scanner(self.clock, "roof", 0, MqttPart(port=1884), self.around, now, Client)
        self.client: Client = self.scanner.client

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)


def test_each_device_is_heard_once_an_interval_and_unchanged_ones_are_thinned() -> None:
    fixture = Fixture()
    fixture.scanner.start()
    fixture.pass_time(10.2)
    heard = fixture.client.said("bt-mqtt/raw/roof")
    assert len(heard) == len({each["device"]["address"] for each in heard}) == 7
    fixture.pass_time(10)
    assert fixture.scanner.radio.received == 14
    assert 7 < len(fixture.client.said("bt-mqtt/raw/roof")) < 14


def test_it_reports_itself_and_its_will_says_offline() -> None:
    fixture = Fixture()
    topic, will = fixture.client.settings.will or ("", b"")
    assert topic == "bt-mqtt/scanner/roof/status"
    assert b'"offline"' in will
    fixture.scanner.start()
    assert fixture.client.said(topic)[0]["bluetooth"]["adapter"] == "simulated"
    assert (fixture.client.settings.port, fixture.client.settings.client_id) == (1884, "bssci-scan-roof")


def test_a_command_pauses_it() -> None:
    fixture = Fixture()
    fixture.scanner.start()
    fixture.client.hear("bt-mqtt/command/roof", b'{"command": "pause"}')
    fixture.pass_time(20)
    assert fixture.client.said("bt-mqtt/raw/roof") == []
    fixture.client.hear("bt-mqtt/command/roof", b'{"command": "resume"}')
    fixture.pass_time(10.2)
    assert len(fixture.client.said("bt-mqtt/raw/roof")) == 7


def test_a_device_is_heard_best_where_it_is() -> None:
    fixture = Fixture()
    at_home = fixture.around.rssi(BluetoothDevice(0), 0)
    next_door = fixture.around.rssi(BluetoothDevice(0), 1)
    assert at_home is not None and next_door is not None
    assert at_home > next_door + 5
    assert abs(at_home - NEAR) < 6


def test_what_somebody_carries_comes_by_everywhere() -> None:
    fixture = Fixture()
    nearest = set()
    for _ in range(36):
        signals = [fixture.around.rssi(BluetoothDevice(5), scanner) or -99 for scanner in (0, 1)]
        nearest.add(signals.index(max(signals)))
        fixture.clock.advance(WALK / 36)
    assert nearest == {0, 1}
