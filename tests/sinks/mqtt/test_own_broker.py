"""The sink's own broker: one at a time, started until it runs, and never against newer settings."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.mqtt.embedded import BrokerFailed
from bssci.sinks.mqtt import own_broker
from bssci.sinks.mqtt.own_broker import BROKER_RETRY, OwnBroker
from tests.sinks.mqtt.embedded_broker import ToldBroker


class Desk:
    """An own broker with a clock.

    :ivar made: every embedded broker so far.
    :ivar started: ports of those that were reported as started.
    """

    def __init__(self, port: int | None) -> None:
        self.made: list[ToldBroker] = []
        self.started: list[int] = []
        self.clock = Clock()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(own_broker, "EmbeddedBroker", self.make)
            self.broker = OwnBroker(self.clock, port, lambda: self.started.append(self.made[-1].port))

    def make(self, reactor: object, port: int, on_failed: object) -> Any:
        self.made.append(ToldBroker(port))
        return self.made[-1]

    def change(self, port: int | None) -> None:
        """Change the port, as the sink does."""

        async def changed() -> None:
            await self.broker.leave(port)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(own_broker, "EmbeddedBroker", self.make)
                self.broker.use(port)

        ensureDeferred(changed())


@pytest.fixture
def desk() -> Desk:
    desk = Desk(1883)
    desk.broker.start()
    return desk


def test_without_one_nothing_is_started() -> None:
    desk = Desk(None)
    desk.broker.start()
    assert not desk.broker.exists and not desk.made
    desk.change(None)
    ensureDeferred(desk.broker.stop())
    assert not desk.made and not desk.clock.getDelayedCalls()


def test_it_is_started_again_until_it_runs(desk: Desk) -> None:
    [one] = desk.made
    one.starts[0].errback(BrokerFailed("port taken"))
    assert desk.broker.trouble == "the embedded broker did not start: port taken"
    desk.clock.advance(BROKER_RETRY)
    one.starts[1].callback(None)
    assert (desk.broker.trouble, desk.started) == ("", [1883])
    assert not desk.clock.getDelayedCalls()


def test_one_that_never_started_is_stopped_as_well(desk: Desk) -> None:
    [one] = desk.made
    one.starts[0].errback(BrokerFailed("port taken"))
    desk.broker.give_up()
    ensureDeferred(desk.broker.stop())
    assert len(one.stops) == 1 and not desk.clock.getDelayedCalls()


def test_the_same_port_leaves_it_alone(desk: Desk) -> None:
    [one] = desk.made
    one.starts[0].callback(None)
    desk.change(1883)
    assert len(desk.made) == 1 and not one.stops


def test_one_of_older_settings_is_not_started_again(desk: Desk) -> None:
    [one] = desk.made
    one.starts[0].errback(BrokerFailed("port taken"))
    desk.change(2000)
    assert desk.broker.trouble == ""
    one.stops[0].callback(None)
    desk.clock.advance(BROKER_RETRY)
    assert ([each.port for each in desk.made], len(one.starts)) == ([1883, 2000], 1)
    desk.made[1].starts[0].callback(None)
    assert desk.started == [2000]


def test_one_that_fails_as_it_is_replaced_is_not_started_again(desk: Desk) -> None:
    [one] = desk.made
    desk.change(2000)
    one.starts[0].errback(BrokerFailed("ended by signal 15"))
    one.stops[0].callback(None)
    desk.clock.advance(BROKER_RETRY)
    assert ([each.port for each in desk.made], len(one.starts)) == ([1883, 2000], 1)
    assert desk.broker.trouble == ""


def test_one_that_starts_after_it_was_left_is_not_reported(desk: Desk) -> None:
    [one] = desk.made
    desk.change(None)
    one.starts[0].callback(None)
    assert not desk.started and not desk.broker.exists


def test_after_the_end_none_is_begun(desk: Desk) -> None:
    [one] = desk.made
    desk.broker.give_up()
    one.starts[0].errback(BrokerFailed("ended by signal 15"))
    desk.change(2000)
    desk.clock.advance(BROKER_RETRY)
    assert (len(desk.made), len(one.starts)) == (1, 1)
    assert not desk.clock.getDelayedCalls()
