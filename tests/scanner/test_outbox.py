from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from twisted.internet.defer import Deferred

from bssci.mqtt.values import MqttOffline, Publication
from bssci.scanner.outbox import BATCH, Outbox


class Client:
    def __init__(self) -> None:
        self.online = True
        self.published: list[tuple[list[str], Deferred[None]]] = []

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.published.append(([each.topic for each in messages], done))
        return done


class Fixture:
    def __init__(self, while_offline: Literal["drop", "keep"] = "drop", size: int = 1000) -> None:
        self.client = Client()
        self.outbox = Outbox(self.client, while_offline, size)

    def add(self, *topics: str) -> None:
        for topic in topics:
            self.outbox.add(Publication(topic, b""))

    def acknowledge(self) -> list[str]:
        topics, done = self.client.published.pop(0)
        done.callback(None)
        return topics

    def lose(self) -> None:
        self.client.online = False
        self.client.published.pop(0)[1].errback(MqttOffline("gone"))


def test_what_comes_meanwhile_waits_for_the_batch_under_way() -> None:
    it = Fixture()
    it.add("a", "b", "c")
    assert it.acknowledge() == ["a"]
    assert it.acknowledge() == ["b", "c"]
    assert (it.outbox.sent, len(it.outbox), it.outbox.dropped) == (3, 0, 0)


def test_batches_are_bounded() -> None:
    it = Fixture()
    it.add("first", *map(str, range(BATCH + 5)))
    it.acknowledge()
    assert len(it.acknowledge()) == BATCH
    assert len(it.acknowledge()) == 5


def test_while_the_broker_is_away_messages_are_dropped_and_counted() -> None:
    it = Fixture()
    it.add("a", "b")
    it.lose()
    it.add("c")
    assert (it.outbox.dropped, len(it.outbox)) == (3, 0)


def test_or_they_are_kept_in_their_order() -> None:
    it = Fixture("keep")
    it.add("a", "b")
    it.lose()
    it.add("c")
    it.client.online = True
    it.outbox.go_on()
    assert it.acknowledge() == ["a", "b", "c"]
    assert it.outbox.dropped == 0


def test_what_is_kept_is_bounded_and_the_oldest_go_first() -> None:
    it = Fixture("keep", 2)
    it.client.online = False
    it.add("a", "b", "c")
    assert it.outbox.dropped == 1
    it.client.online = True
    it.outbox.go_on()
    assert it.acknowledge() == ["b", "c"]
