"""A run of scanners and controllers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from bssci.scanner.configuration import MqttPart
from bssci.simulator.gateways import GatewayPlan, GatewaySimulation
from tests.simulator.gateway_client import Client


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Client]]:
    monkeypatch.setattr(Client, "made", made := [])
    yield made


class Fixture:
    def __init__(self, **changes: Any) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        plan = {"scanners": 2, "controllers": 1, "random": Random(1)} | changes
        self.run = GatewaySimulation(
            GatewayPlan(MqttPart(broker="broker"), **plan),
            self.clock,
            self.lines.append,
            lambda: 1_790_000_000.0 + self.clock.seconds(),
            make_client=Client,
        )
        self.closed: list[object] = []
        self.run.start().addBoth(self.closed.append)


def test_it_runs_for_its_time_and_says_what_was_sent(clients: list[Client]) -> None:
    fixture = Fixture(duration=20.0)
    fixture.clock.pump([0.1] * 205)
    assert fixture.closed == [None]
    summary = fixture.run.summary
    assert (summary["scanners"], summary["controllers"], summary["telemetry"]) == (2, 1, 3)
    assert summary["messages_sent"] > 20
    assert (summary["messages_dropped"], fixture.run.exit_status) == (0, 0)
    assert round(summary["seconds"]) == 20
    assert fixture.lines[0] == "2 scanners and 1 controller connected to broker:1883"
    assert "controllers sent 3 measurements" in fixture.run.description
    assert {client.settings.client_id for client in clients} == {
        "f2-5ef200000001", "bssci-scan-simulated-1", "bssci-scan-simulated-2",
    }  # fmt: skip
    assert fixture.clock.getDelayedCalls() == []


def test_a_broker_that_is_away_is_named(clients: list[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "absent", True)
    fixture = Fixture(connect_timeout=2.0)
    fixture.clock.pump([0.1] * 30)
    assert fixture.closed == [None]
    assert fixture.run.error == "broker broker:1883: not connected to broker:1883: connection refused"
    assert fixture.run.exit_status == 2


def test_it_is_interrupted(clients: list[Client]) -> None:
    fixture = Fixture()
    fixture.clock.pump([0.1] * 5)
    fixture.run.interrupt()
    fixture.clock.pump([0.1] * 5)
    assert fixture.closed == [None]
    assert fixture.run.interrupt() is None
    assert all(not client.online for client in clients)
    assert fixture.clock.getDelayedCalls() == []
