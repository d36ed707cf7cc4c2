"""Simulated controllers: measurements, states, and commands that are answered."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from twisted.internet.task import Clock

from bssci.decoders.datapoints import check_modbus
from bssci.scanner.configuration import MqttPart
from bssci.simulator.controllers import FIRST_MAC, SimulatedController, modbus_checksum, soil_answer
from tests.simulator.gateway_client import Client

AT = 1_790_000_000.0
STRIKE = "access-control-mode/J2/strike-1"
SIREN = "alarm-mode/J3/siren-1"
NAME = "f2-5ef200000001"


class Fixture:
    def __init__(self) -> None:
        self.clock = Clock()
        self.controller: Any = SimulatedController(
            self.clock,
            FIRST_MAC,
            MqttPart(),
            30.0,
            ZoneInfo("Asia/Bangkok"),
            lambda: AT + self.clock.seconds(),
            Client,
        )
        self.client: Client = self.controller.client
        self.controller.start()

    def command(self, body: bytes, place: str = STRIKE, **how: Any) -> None:
        self.client.hear(f"cmnd/{NAME}/{place}", body, **how)

    def states(self, place: str = STRIKE) -> list[int]:
        """The states of a switch that were reported after the first."""
        return [each["status"] for each in self.client.said(f"stat/{NAME}/{place}")][1:]


def test_sensors_answer_in_modbus_at_the_time_of_its_zone() -> None:
    fixture = Fixture()
    fixture.clock.pump([1] * 31)
    said = fixture.client.said(f"tele/{NAME}/sensor-mode/J1/sensor-2")
    assert [each["timestamp"] for each in said] == [
        "2026-09-21 21:13:20.000000",
        "2026-09-21 21:13:50.000000",
    ]
    data = bytes.fromhex(said[0]["data"])
    check_modbus(data)
    assert (data[0], data[2], len(data)) == (2, 6, 11)
    assert fixture.controller.counts.telemetry == 6


def test_the_checksum_is_modbus() -> None:
    assert modbus_checksum(bytes.fromhex("0103020014")) == 0x4BB8
    assert re.fullmatch(r"([0-9A-F]{2} ){10}[0-9A-F]{2}", soil_answer(1, 1, AT))


def test_all_states_are_told_at_first_and_then_those_that_change() -> None:
    fixture = Fixture()
    assert len(fixture.client.said("stat/")) == 5
    fixture.clock.pump([2.0] * 300)
    assert {0, 1} <= {
        each["door-sensor-1"] for each in fixture.client.said(f"stat/{NAME}/access-control")[2:]
    }
    assert fixture.controller.counts.states < 40


def test_commands_are_answered_by_the_state() -> None:
    fixture = Fixture()
    fixture.command(b'{"power-flag": 1}')
    fixture.command(b'{"power-flag": 1}')
    fixture.command(b'{"power-flag": 0}')
    assert fixture.states() == [1, 1, 0]
    fixture.command(b'{"power-flag": 2, "period": 5}', SIREN)
    fixture.clock.pump([1] * 4)
    assert fixture.states(SIREN) == [1]
    fixture.clock.pump([1] * 2)
    assert fixture.states(SIREN) == [1, 0]
    assert fixture.controller.counts.commands == 4


def test_a_pulse_ends_early_by_another_command() -> None:
    fixture = Fixture()
    fixture.command(b'{"power-flag": 2, "period": 5}')
    fixture.command(b'{"power-flag": 1}')
    fixture.clock.pump([1] * 10)
    assert fixture.states() == [1, 1]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", STRIKE),
        (b'{"power-flag": 3}', STRIKE),
        (b'{"power-flag": 2, "period": -1}', STRIKE),
        (b'{"power-flag": 1}', "access-control-mode/J2/strike-9"),
    ],
)
def test_what_makes_no_sense_is_counted(body: bytes, place: str) -> None:
    fixture = Fixture()
    fixture.command(body, place)
    assert (fixture.states(), fixture.controller.counts.refused) == ([], 1)


def test_a_command_of_an_earlier_time_opens_nothing() -> None:
    fixture = Fixture()
    fixture.command(b'{"power-flag": 1}', retained=True)
    assert fixture.states() == []


def test_it_says_nothing_while_the_broker_is_away() -> None:
    fixture = Fixture()
    fixture.controller.stop()
    said = len(fixture.client.published)
    fixture.clock.pump([10] * 10)
    assert len(fixture.client.published) == said
    assert fixture.clock.getDelayedCalls() == []
