"""The sink as it starts, changes its broker, and stops."""

from __future__ import annotations

import msgspec
import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from bssci.journal.records import StoredRequest
from bssci.mqtt.embedded import BrokerFailed
from bssci.sinks.mqtt import own_broker
from bssci.sinks.mqtt.intake import RESUMED_AT_ONCE, IntakeRequest
from tests.sinks.mqtt.embedded_broker import ToldBroker
from tests.sinks.mqtt.sink_house import STATION, SinkHouse
from tests.support.settings import settings_of


def test_the_embedded_broker_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    it = SinkHouse(monkeypatch, **{"mqtt-broker": "embedded"})
    it.embedded.starts = [fail(BrokerFailed("port taken")), succeed(None)]
    it.sink.start()
    assert it.broker.attempts == 0
    assert it.sink.trouble == "the embedded broker did not start: port taken"
    it.clock.advance(own_broker.BROKER_RETRY)
    assert it.broker.attempts == 1
    assert it.sink.trouble == ""
    it.sink.stop()
    assert it.embedded.stopped


class Brokers:
    """Embedded brokers, each of which starts and stops when told."""

    def __init__(self) -> None:
        self.made: list[ToldBroker] = []

    def __call__(self, reactor: object, port: int, on_failed: object) -> ToldBroker:
        self.made.append(ToldBroker(port))
        return self.made[-1]

    def change(self, it: SinkHouse, port: int) -> None:
        """Have the settings say another port."""
        it.sink._reconfigure(settings_of({"mqtt-broker": "embedded", "mqtt-port": str(port)}))
        it.clock.advance(0)

    def ports(self) -> list[int]:
        return [each.port for each in self.made]


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def beside(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> SinkHouse:
    """A sink with an embedded broker on port 1883, which is starting."""
    it = SinkHouse(monkeypatch, **{"mqtt-broker": "embedded"})
    monkeypatch.setattr(own_broker, "EmbeddedBroker", brokers)
    it.sink._broker = own_broker.OwnBroker(it.clock, 1883, it.sink._client.start)
    it.sink.start()
    return it


def test_two_quick_changes_are_made_one_after_the_other(beside: SinkHouse, brokers: Brokers) -> None:
    first = brokers.made[0]
    first.starts[0].callback(None)
    brokers.change(beside, 2000)
    brokers.change(beside, 2001)
    assert (brokers.ports(), len(first.stops)) == ([1883], 1)
    first.stops[0].callback(None)
    second = brokers.made[1]
    assert (brokers.ports(), len(second.starts), len(second.stops)) == ([1883, 2000], 1, 1)
    second.stops[0].callback(None)
    assert brokers.ports() == [1883, 2000, 2001]
    assert not brokers.made[2].stops


def test_after_a_stop_no_change_is_made(beside: SinkHouse, brokers: Brokers) -> None:
    first = brokers.made[0]
    brokers.change(beside, 2000)
    brokers.change(beside, 2001)
    beside.sink.stop()
    first.starts[0].errback(BrokerFailed("ended by signal 15"))
    first.stops[0].callback(None)
    beside.clock.advance(own_broker.BROKER_RETRY)
    assert (brokers.ports(), len(first.starts)) == ([1883], 1)
    assert beside.clock.getDelayedCalls() == []


def left_unanswered(count: int) -> list[StoredRequest]:
    payload = msgspec.msgpack.encode([0, b"status"])
    common = {"source": "mqtt", "topic": f"ep/{STATION}/cmd", "payload": payload, "received_at": 1.0}
    return [StoredRequest(number=number, **common) for number in range(count)]


def carried_out(it: SinkHouse, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """Requests that are carried out from now on: number, attempts to connect and whether the embedded
    broker had been stopped."""
    requests: list[tuple[int, int, bool]] = []

    async def carry_out(request: IntakeRequest) -> None:
        requests.append((request.number, it.broker.attempts, it.embedded.stopped))

    monkeypatch.setattr(it.sink._requests, "_who_carries_out", lambda topic: carry_out)
    return requests


def test_requests_of_an_earlier_run_begin_before_the_broker_brings_newer_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = SinkHouse(monkeypatch)
    it.center.unanswered = left_unanswered(2 * RESUMED_AT_ONCE + 1)
    requests = carried_out(it, monkeypatch)
    it.sink.start()
    assert len(requests) == RESUMED_AT_ONCE
    it.clock.advance(0)
    assert requests == [(number, 0, False) for number in range(2 * RESUMED_AT_ONCE + 1)]
    assert it.broker.attempts == 1


def test_a_stop_among_requests_of_an_earlier_run_leaves_the_others_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = SinkHouse(monkeypatch)
    it.center.unanswered = left_unanswered(RESUMED_AT_ONCE + 1)
    requests = carried_out(it, monkeypatch)
    it.sink.start()
    it.sink.stop()
    it.clock.advance(0)
    assert (len(requests), it.broker.attempts) == (RESUMED_AT_ONCE, 0)


def test_other_settings_wait_for_the_requests_of_an_earlier_run(monkeypatch: pytest.MonkeyPatch) -> None:
    it = SinkHouse(monkeypatch, **{"mqtt-broker": "embedded"})
    it.embedded.starts = [Deferred()]
    it.center.unanswered = left_unanswered(RESUMED_AT_ONCE + 1)
    requests = carried_out(it, monkeypatch)
    it.sink._reconfigure(settings_of({"mqtt-broker": "broker.example"}))
    it.sink.start()
    it.clock.advance(0)
    assert requests == [(number, 0, False) for number in range(RESUMED_AT_ONCE + 1)]
    assert (it.broker.attempts, it.embedded.stopped) == (1, True)


def test_the_broker_is_connected_to_whatever_becomes_of_earlier_requests(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    it = SinkHouse(monkeypatch)
    it.center.unanswered = left_unanswered(1)
    monkeypatch.setattr(it.sink._requests, "_who_carries_out", lambda topic: 1 / 0)
    it.sink.start()
    assert it.broker.attempts == 1
    assert isinstance(expected_errors.pop().value, ZeroDivisionError)


def test_another_broker_is_used_after_an_embedded_one_that_never_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = SinkHouse(monkeypatch, **{"mqtt-broker": "embedded"})
    it.embedded.starts = [fail(BrokerFailed("port taken"))]
    it.sink.start()
    it.sink._reconfigure(settings_of({"mqtt-broker": "broker.example"}))
    it.clock.advance(0)
    assert (it.broker.attempts, it.sink.trouble) == (1, "")
