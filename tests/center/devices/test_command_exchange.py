"""A command that is published, and what answers it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock

from bssci.center.devices.command_exchange import ANSWER_TIME, CommandExchange
from bssci.model.commands import CommandError
from tests.support.center import result_of


class Sources:
    def __init__(self) -> None:
        self.published: list[tuple[str, str, bytes]] = []
        self.done: Deferred[None] = succeed(None)

    def publish(self, name: str, topic: str, payload: bytes) -> Deferred[None]:
        self.published.append((name, topic, payload))
        return self.done


class Fixture:
    def __init__(self) -> None:
        self.clock = Clock()
        self.sources = Sources()
        self.exchange = CommandExchange(self.clock, self.sources)

    def send(self, key: str = "roof") -> Deferred[Any]:
        return ensureDeferred(self.exchange.send(key, "mqtt", "topic", b"{}"))


def test_the_answer_comes_back() -> None:
    fixture = Fixture()
    sent = fixture.send()
    assert fixture.sources.published == [("mqtt", "topic", b"{}")]
    assert fixture.exchange.waits_for("roof") and not fixture.exchange.waits_for("cellar")
    fixture.exchange.answer("roof", {"status": 1})
    assert not fixture.exchange.waits_for("roof")
    assert result_of(sent) == {"status": 1}
    assert not fixture.exchange


def test_the_answer_may_come_before_the_acknowledgement() -> None:
    fixture = Fixture()
    fixture.sources.done = Deferred()
    sent = fixture.send()
    fixture.exchange.answer("roof", {"status": 1})
    fixture.sources.done.callback(None)
    assert result_of(sent) == {"status": 1}


def test_without_an_answer_there_is_none() -> None:
    fixture = Fixture()
    sent = fixture.send()
    fixture.clock.advance(ANSWER_TIME)
    assert result_of(sent) is None
    assert not fixture.exchange


def test_one_at_a_time() -> None:
    fixture = Fixture()
    fixture.send()
    with pytest.raises(CommandError, match="waits for its answer"):
        result_of(fixture.send())
    fixture.send("cellar")
    assert len(fixture.sources.published) == 2


def test_a_broker_that_does_not_acknowledge_is_named() -> None:
    fixture = Fixture()
    fixture.sources.done = Deferred()
    sent = fixture.send()
    fixture.clock.advance(ANSWER_TIME)
    with pytest.raises(CommandError, match="did not acknowledge"):
        result_of(sent)
