"""States at which the broker closes the connection are found and skipped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed

from bssci.mqtt.values import MessagesRefused, MqttOffline, Publication, PublishRefusal
from bssci.sinks.mqtt.present import LOSSES, LOSSES_ALONE, PresentStates

STATES = [Publication(f"mioty/bs/CAFE00000000000{number}/state", b"{}", retain=True) for number in range(4)]
GATEWAY = Publication("mioty/gateway/scanner/roof/state", b"{}", retain=True)
SPARE = Publication("mioty/health_check", b"{}")


class Broker:
    """Closes the connection at some topics, or at everything."""

    def __init__(self, *closes_at: Publication) -> None:
        self.closes_at = set(closes_at)
        self.is_there = True
        self.taken: list[Publication] = []
        self.refusals: list[MessagesRefused] = []
        self.found = 0
        self.present = PresentStates(
            self.publish, lambda: SPARE, lambda messages, error: self.refusals.append(error), self.find
        )

    def find(self) -> None:
        self.found += 1

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        for each in messages:
            if each in self.closes_at or not self.is_there:
                return fail(MqttOffline("the connection was lost"))
            self.taken.append(each)
        return succeed(None)

    def connect(self, *states: Publication) -> bool:
        """Publish states after a connect; return whether the connection lasted."""
        self.taken.clear()
        outcome: list[object] = []
        ensureDeferred(self.present.publish(states)).addBoth(outcome.append)
        return outcome == [None]


def test_all_states_go_at_once() -> None:
    broker = Broker()
    assert broker.connect(*STATES)
    assert broker.taken == STATES
    assert broker.present.warning == ""


def test_the_state_at_fault_is_skipped_after_some_losses() -> None:
    broker = Broker(STATES[1])
    lost = 0
    while not broker.connect(*STATES):
        lost += 1
    assert lost == LOSSES + LOSSES_ALONE
    assert broker.found == 1
    assert broker.taken == [SPARE, STATES[0], *STATES[2:]]
    assert broker.present.warning == (
        f"the broker closes the connection at {STATES[1].topic} (2 bytes, retained), which is no longer"
        " published"
    )
    assert broker.connect(*STATES)
    assert broker.taken == [STATES[0], *STATES[2:]]
    broker.present.forget()
    assert not broker.present.is_skipped(STATES[1])
    assert broker.present.warning == ""


def test_after_two_of_a_kind_all_of_it_are_skipped() -> None:
    broker = Broker(*STATES)
    for _ in range(LOSSES + 2 * LOSSES_ALONE):
        assert not broker.connect(*STATES, GATEWAY)
    assert broker.connect(*STATES, GATEWAY)
    assert broker.taken == [SPARE, GATEWAY]
    assert f"at {STATES[1].topic} and all others of its kind" in broker.present.warning


def test_nothing_is_skipped_while_the_broker_takes_nothing() -> None:
    broker = Broker()
    broker.is_there = False
    for _ in range(20):
        assert not broker.connect(*STATES)
    broker.is_there = True
    assert broker.connect(*STATES)
    assert broker.taken == [SPARE, *STATES]


def test_others_wait_until_the_state_at_fault_is_found() -> None:
    broker = Broker(STATES[0])
    outcomes: list[object] = []
    for _ in range(LOSSES + LOSSES_ALONE):
        broker.present.settled().addCallbacks(outcomes.append, lambda failure: outcomes.append(failure.type))
        broker.connect(*STATES)
    assert outcomes == [None] * LOSSES + [MqttOffline] * LOSSES_ALONE
    broker.present.settled().addCallback(outcomes.append)
    assert len(outcomes) == LOSSES + LOSSES_ALONE
    assert broker.connect(*STATES)
    assert outcomes[-1] is None


def test_states_that_are_refused_are_told_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    error = MessagesRefused({0: PublishRefusal(0x87, "not authorized")})
    monkeypatch.setattr(broker.present, "_publish", lambda messages: fail(error))
    assert broker.connect(*STATES)
    assert broker.refusals == [error]
