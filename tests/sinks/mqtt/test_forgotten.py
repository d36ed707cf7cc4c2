"""States of what was forgotten are cleared, also if the broker is away for a while."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.model import EUI, GatewayState, StationState
from bssci.mqtt.values import MqttOffline, Publication
from bssci.sinks.mqtt import forgotten
from bssci.sinks.mqtt.forgotten import ForgottenStates, state_message

ROOF = GatewayState(at=7.0, gateway="roof", gateway_kind="scanner", state="offline", reason="silent")
STATION = StationState(at=7.0, base_station_eui=EUI("CAFE000000000001"), state="offline")
TOPICS = ["mioty/gateway/scanner/roof/state", "mioty/bs/CAFE000000000001/state"]


class Sent:
    """What was published, and its outcomes."""

    def __init__(self) -> None:
        self.batches: list[tuple[Sequence[Publication], Deferred[None]]] = []
        self.failed = 0
        self.states = ForgottenStates("mioty", self.publish, self.not_published)

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self.batches.append((messages, Deferred()))
        return self.batches[-1][1]

    def not_published(self, failure: Failure, messages: Sequence[Publication]) -> None:
        self.failed += 1


def test_each_state_is_cleared_by_an_empty_retained_message() -> None:
    it = Sent()
    it.states.clear([it.states.add(ROOF), it.states.add(STATION)])
    [(messages, done)] = it.batches
    assert [(each.topic, each.payload, each.retain) for each in messages] == [
        (topic, b"", True) for topic in TOPICS
    ]
    assert len(it.states) == 2
    done.callback(None)
    assert len(it.states) == 0
    it.states.clear_all([])
    assert len(it.batches) == 1


def test_what_the_broker_did_not_take_is_cleared_later_unless_it_is_there_again() -> None:
    it = Sent()
    it.states.clear([it.states.add(ROOF), it.states.add(STATION)])
    it.batches[0][1].errback(MqttOffline("away"))
    assert it.failed == 1 and len(it.states) == 2
    it.states.clear_all([state_message("mioty", ROOF)])
    assert [each.topic for each in it.batches[1][0]] == TOPICS[1:]


def test_so_many_wait_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "MAX_WAITING", 1)
    it = Sent()
    it.states.add(ROOF)
    it.states.add(STATION)
    it.states.clear_all([])
    assert [each.topic for each in it.batches[0][0]] == TOPICS[1:]
