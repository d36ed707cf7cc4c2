"""What the broker dropped or refused is published again, in case its access rules have changed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bssci.mqtt.values import About, MessagesRefused, MqttOffline, Publication, PublishRefusal
from bssci.mqtt.version5 import NOT_AUTHORIZED
from bssci.sinks.mqtt.echo import ECHO_TIME, USUAL_TIME, Echo
from bssci.sinks.mqtt.refusals import PublishRefusals
from bssci.sinks.mqtt.second_chance import INTERVAL, SecondChance

REFUSAL = PublishRefusal(NOT_AUTHORIZED, "not authorized")


class House:
    def __init__(self) -> None:
        self.clock = Clock()
        self.echo = Echo(self.clock)
        self.refusals = PublishRefusals()
        self.answers: dict[str, Exception | None] = {}
        """what becomes of a message, by topic; nothing: no answer comes"""
        self.published: list[str] = []
        self.announced = 0
        self.chance = SecondChance(self.clock, self.publish, self.echo, self.refusals, self.announce)
        self.chance.start()

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        (message,) = messages
        self.published.append(message.topic)
        if message.topic not in self.answers:
            return Deferred()
        error = self.answers[message.topic]
        return succeed(None) if error is None else fail(error)

    def announce(self) -> None:
        self.announced += 1

    def refuse(self, schema: str, topic: str, refusal: PublishRefusal = REFUSAL) -> None:
        retain = schema.endswith("-state")
        self.refusals.note({}, {0: (Publication(topic, b"{}", retain, About(schema)), refusal)})

    def take(self, schema: str, topic: str) -> None:
        self.refusals.all_taken([Publication(topic, b"[]", schema.endswith("-state"), About(schema))])


@pytest.fixture
def house() -> House:
    return House()


def test_nothing_is_published_while_all_is_taken(house: House) -> None:
    house.clock.advance(INTERVAL)
    assert not house.published and not house.announced


def test_a_birth_message_that_did_not_come_back_is_published_again_until_it_does(house: House) -> None:
    house.echo.expect(b"birth")
    house.clock.pump([USUAL_TIME, ECHO_TIME - USUAL_TIME])
    house.clock.pump([INTERVAL] * 2)
    assert house.announced == 2
    house.echo.heard(b"birth")
    house.clock.advance(INTERVAL)
    assert house.announced == 2


def test_the_last_refused_message_of_a_kind_is_published_until_it_is_taken(house: House) -> None:
    house.refuse("sensor-status", "ep/1/status")
    house.refuse("sensor-status", "ep/2/status")
    house.answers["ep/2/status"] = MessagesRefused({0: REFUSAL})
    house.clock.advance(INTERVAL)
    assert house.published == ["ep/2/status"] and house.refusals.trouble and not house.announced
    house.answers["ep/2/status"] = None
    house.clock.advance(INTERVAL)
    assert not house.refusals.trouble
    assert house.announced == 1, "states that were refused meanwhile are published now"
    house.clock.advance(INTERVAL)
    assert house.published == ["ep/2/status"] * 2


def test_uplinks_come_again_by_themselves(house: House) -> None:
    house.refuse("uplink", "ep/1/ul")
    house.clock.advance(INTERVAL)
    assert house.refusals.trouble and not house.published


def test_one_kind_that_stays_forbidden_keeps_no_other_from_being_tried(house: House) -> None:
    house.refuse("station-state", "bs/1/state")
    house.refuse("sensor-status", "ep/1/status")
    house.answers = {"bs/1/state": MessagesRefused({0: REFUSAL}), "ep/1/status": None}
    house.clock.advance(INTERVAL)
    assert "bs/1/state" in house.refusals.trouble and "status" not in house.refusals.trouble


def test_a_refused_message_is_not_published_after_a_newer_one_on_its_topic(house: House) -> None:
    """A station's state of yesterday would be retained, and stay."""
    house.refuse("station-state", "bs/1/state")
    house.refusals.replaced([Publication("bs/1/state", b"[]", about=About("station-state"))])
    house.clock.advance(INTERVAL)
    assert not house.published and not house.refusals.trouble
    assert house.announced == 1, "states of others that were refused meanwhile are published now"
    house.clock.advance(INTERVAL)
    assert house.announced == 1


def test_what_a_newer_message_replaces_during_an_attempt_is_not_published(house: House) -> None:
    house.refuse("station-state", "bs/1/state")
    house.refuse("gateway-state", "gateway/1/state")
    first: Deferred[None] = Deferred()
    house.chance._publish = lambda messages: house.published.append(messages[0].topic) or first  # type: ignore[func-returns-value]
    house.clock.advance(INTERVAL)
    house.take("gateway-state", "gateway/1/state")
    first.callback(None)
    assert house.published == ["bs/1/state"] and house.announced == 1


@pytest.mark.parametrize("is_allowed", [True, False])
def test_whether_a_state_is_taken_again_is_tried_once_when_others_of_its_kind_are(
    house: House, is_allowed: bool
) -> None:
    """The access rules may have been corrected, or be about single sensors, stations and gateways."""
    house.refuse("gateway-state", "gateway/1/state")
    house.take("gateway-state", "gateway/2/state")
    assert not house.refusals.trouble
    house.answers["gateway/1/state"] = None if is_allowed else MessagesRefused({0: REFUSAL})
    house.clock.pump([INTERVAL] * 3)
    assert house.published == ["gateway/1/state"] and house.announced == is_allowed


def test_an_event_that_was_set_aside_is_not_tried_when_others_of_its_kind_are_taken(house: House) -> None:
    house.refuse("sensor-status", "ep/1/status")
    house.take("sensor-status", "ep/2/status")
    house.clock.pump([INTERVAL] * 3)
    assert not house.published and not house.announced


def test_an_attempt_is_ended_by_the_loss_of_the_connection_and_not_repeated_before(house: House) -> None:
    house.refuse("station-state", "bs/1/state")
    house.refuse("sensor-status", "ep/1/status")
    waiting: Deferred[None] = Deferred()
    house.chance._publish = lambda messages: house.published.append(messages[0].topic) or waiting  # type: ignore[func-returns-value]
    house.clock.pump([INTERVAL] * 3)
    assert house.published == ["bs/1/state"]
    waiting.errback(MqttOffline("cable cut"))
    assert house.published == ["bs/1/state"] and not house.announced


def test_it_stops(house: House) -> None:
    house.chance.stop()
    assert not house.clock.getDelayedCalls()
