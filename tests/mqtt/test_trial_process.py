"""One trial, before a broker in memory."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock

from bssci.mqtt import trial_process
from bssci.mqtt.trial_process import STAY, Trial
from bssci.mqtt.values import TrialOutcome
from tests.mqtt.memory_broker import FakeBroker, Kind, packet
from tests.mqtt.online_client import SETTINGS


class Fixture:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.broker = Clock(), FakeBroker()
        monkeypatch.setattr(trial_process, "connect", self.broker.connect)
        self.found: list[Any] = []

    def start(self) -> None:
        Trial(self.clock, SETTINGS, 5.0).start().addBoth(self.found.append)
        self.clock.advance(0)


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Fixture:
    return Fixture(monkeypatch)


def test_it_says_goodbye_and_acknowledges_nothing(it: Fixture) -> None:
    it.start()
    it.broker.packets()
    it.broker.accept()
    it.broker.receive(packet(Kind.PUBLISH, b"\0\1t\0\7request", 2))
    it.clock.advance(STAY)
    it.clock.advance(0)
    assert it.found == []
    assert [each.kind for each in it.broker.packets()] == [Kind.DISCONNECT]
    it.broker.close()
    assert it.found == [TrialOutcome("accepted")]
    assert it.clock.getDelayedCalls() == []


def test_what_ends_soon_after_it_began_was_taken_over(it: Fixture) -> None:
    it.start()
    it.broker.accept()
    it.broker.close()
    assert it.found == [TrialOutcome("taken")]


def test_a_refusal_is_told(it: Fixture) -> None:
    it.start()
    it.broker.refuse(5)
    it.broker.close()
    assert it.found == [TrialOutcome("refused", "Not authorized")]


def test_silence_is_told_after_its_time(it: Fixture) -> None:
    it.start()
    it.clock.advance(5.0)
    assert it.found == [TrialOutcome("silent")]
    assert it.clock.getDelayedCalls() == []


def test_a_connection_that_closes_is_told(it: Fixture) -> None:
    it.start()
    it.broker.wire.close(ConnectionDone())
    assert it.found == [TrialOutcome("closed")]


def test_nobody_there_is_told(it: Fixture) -> None:
    it.broker.absent = True
    it.start()
    assert it.found == [TrialOutcome("unreachable", "An error occurred while connecting: nobody there.")]
