"""States of what was forgotten are cleared, also if the broker is away for a while."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.model import EUI, GatewayState, StationState
from bssci.mqtt.filters import fits
from bssci.mqtt.values import MqttOffline, Publication, Received
from bssci.sinks.mqtt import forgotten
from bssci.sinks.mqtt.forgotten import FETCH_TIME, ForgottenStates, LeftStates, state_message

ROOF = GatewayState(at=7.0, gateway="roof", gateway_kind="scanner", state="offline", reason="silent")
STATION = StationState(at=7.0, base_station_eui=EUI("CAFE000000000001"), state="offline")
OWN = EUI("0200000000000001")
TOPICS = ["mioty/gateway/scanner/roof/state", "mioty/bs/CAFE000000000001/state"]


class Sent:
    """What was published, and its outcomes."""

    def __init__(self) -> None:
        self.batches: list[tuple[Sequence[Publication], Deferred[None]]] = []
        self.failed = 0
        self.states = ForgottenStates(self.publish, self.not_published)

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self.batches.append((messages, Deferred()))
        return self.batches[-1][1]

    def not_published(self, failure: Failure, messages: Sequence[Publication]) -> None:
        self.failed += 1


def test_each_state_is_cleared_by_an_empty_retained_message() -> None:
    it = Sent()
    it.states.clear(list(map(it.states.add, TOPICS)))
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
    it.states.clear(list(map(it.states.add, TOPICS)))
    it.batches[0][1].errback(MqttOffline("away"))
    assert it.failed == 1 and len(it.states) == 2
    it.states.clear_all([state_message("mioty", ROOF)])
    assert [each.topic for each in it.batches[1][0]] == TOPICS[1:]


def test_the_message_of_a_state_says_who_published_it() -> None:
    for state, topic in zip((ROOF, STATION), TOPICS, strict=True):
        assert state_message("mioty", state).topic == topic
        assert b"sc_eui" not in state_message("mioty", state).payload
        assert OWN.encode() in state_message("mioty", state, OWN).payload


class Left:
    """What earlier runs left at a broker."""

    def __init__(self, base_topic: str = "mioty") -> None:
        self.clock = Clock()
        self.known: set[tuple[str, str]] = set()
        self.filters: list[str] = []
        self.cleared: list[str] = []
        self.states = LeftStates(
            self.clock,
            base_topic,
            OWN,
            lambda kind, id: (kind, id) in self.known,
            self.filters.extend,
            lambda topics: self.filters.clear(),
            self.cleared.append,
        )

    def comes(self, topic: str, payload: bytes, retained: bool = True) -> None:
        assert self.states.is_for_us(topic)
        self.states.received(Received(topic, payload, retained=retained))


def test_states_that_an_earlier_run_left_are_fetched_once_and_cleared() -> None:
    it = Left()
    it.states.connected()
    slashed = GatewayState(at=7.0, gateway="hall/2", gateway_kind="gateway", state="offline", reason="")
    for state in (ROOF, STATION, slashed):
        message = state_message("mioty", state, OWN)
        assert any(fits(each.split("/"), message.topic.split("/")) for each in it.filters)
        it.comes(message.topic, message.payload)
    assert it.cleared == [*TOPICS, "mioty/gateway/gateway/hall/2/state"]
    it.clock.advance(FETCH_TIME)
    assert it.filters == []
    it.states.connected()
    assert it.filters == [] and not it.clock.getDelayedCalls()


def test_what_is_known_or_of_somebody_else_stays() -> None:
    it = Left()
    it.states.connected()
    it.known = {("scanner", "roof"), ("bs", "CAFE000000000001")}
    for state, topic in zip((ROOF, STATION), TOPICS, strict=True):
        it.comes(topic, state_message("mioty", state, OWN).payload)
    it.known.clear()
    for payload in (
        state_message("mioty", STATION, EUI("0200000000000002")).payload,
        state_message("mioty", STATION).payload,
        b"",
        b"[]",
        b"\xff",
        b'{"a": ' + b"[" * 100_000,
    ):
        it.comes(TOPICS[1], payload)
    # Our own, of just now: a station that is forgotten at this moment is cleared elsewhere.
    it.comes(TOPICS[1], state_message("mioty", STATION, OWN).payload, retained=False)
    assert it.cleared == []
    it.states.stop()
    assert not it.clock.getDelayedCalls()


def test_topics_of_states_are_recognised_below_any_base_topic() -> None:
    it = Left("a+b/c")
    assert it.states.is_for_us("a+b/c/bs/CAFE000000000001/state")
    assert it.states.is_for_us("a+b/c/gateway/controller/x/state")
    for other in ("aab/c/bs/x/state", "a+b/c/bs/state", "a+b/c/bs/x/status", "a+b/c/bs/x/state/y"):
        assert not it.states.is_for_us(other)
    it.states.stop()


def test_so_many_wait_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "MAX_WAITING", 1)
    it = Sent()
    for topic in TOPICS:
        it.states.add(topic)
    it.states.clear_all([])
    assert [each.topic for each in it.batches[0][0]] == TOPICS[1:]
