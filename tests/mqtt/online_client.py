"""An MQTT client with its clock, before a broker in memory."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from bssci.mqtt.client import MqttClient, MqttOffline, MqttSettings, Publication
from tests.mqtt.memory_broker import FakeBroker, Kind

SETTINGS = MqttSettings(host="broker.example", client_id="center", username="user", password="Pa55word")


class Fixture:
    """A client, its clock, its broker, and what it called back."""

    def __init__(self, settings: MqttSettings = SETTINGS) -> None:
        self.clock = Clock()
        self.broker = FakeBroker()
        self.events: list[object] = []
        self.skipped: list[object] = []
        self.refused: list[str] = []
        self.granted: list[str] = []
        self.client = MqttClient(
            self.clock,
            settings,
            on_online=lambda: self.events.append("online"),
            on_offline=self.events.append,
            on_message=lambda message: self.events.append(tuple(message[:3])),
            on_skipped=lambda *message: self.skipped.append(message),
            on_refused=self.refused.append,
            on_granted=self.granted.append,
            connect=self.broker.connect,
        )

    def turn(self) -> None:
        self.clock.advance(0)

    def go_online(self) -> None:
        self.client.start()
        self.come_back()

    def come_back(self) -> None:
        """The broker accepts the connection that is there; what was said until then is forgotten."""
        self.turn()
        self.broker.accept()
        self.turn()
        self.broker.packets()

    def wait_for_attempt(self) -> float:
        """Time until the next attempt, s."""
        attempts, waited = self.broker.attempts, 0.0
        while self.broker.attempts == attempts:
            self.clock.advance(0.25)
            waited += 0.25
            assert waited < 60
        return waited

    def publish(self, *payloads: bytes) -> list[object]:
        """What became of it: empty, [None] or [failure]."""
        outcome: list[object] = []
        self.client.publish([Publication("t", payload) for payload in payloads]).addBoth(outcome.append)
        self.turn()
        return outcome

    def published(self) -> list[bytes]:
        return [one.publish[1] for one in self.broker.packets() if one.kind is Kind.PUBLISH]


@pytest.fixture
def it() -> Fixture:
    fixture = Fixture()
    fixture.go_online()
    return fixture


def offline(outcome: list[object]) -> str:
    """The text of the MqttOffline that ``outcome`` must consist of."""
    (failure,) = outcome
    assert failure.check(MqttOffline)
    return failure.getErrorMessage()
