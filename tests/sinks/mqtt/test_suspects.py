"""The message at which a broker closes the connection is found and passed over; no other one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed

from bssci.mqtt.publishing import WINDOW
from bssci.mqtt.values import About, MessagesRefused, MqttOffline, Publication, PublishRefusal
from bssci.sinks.mqtt.refusals import PROOFS, MessagesHeld, PublishRefusals
from bssci.sinks.mqtt.suspects import LOSSES, LOSSES_ALONE, Publisher
from tests.support.center import result_of

SPARE = Publication("health_check", b"{}")


def batch(size: int) -> list[Publication]:
    return [Publication(f"ep/{number}/ul", b"%d" % number) for number in range(size)]


class Broker:
    """A broker that closes the connection at some messages.

    :ivar closes_at: whether it does at a message.
    :ivar taken: what it acknowledged.
    """

    def __init__(self, closes_at: Callable[[Publication], bool]) -> None:
        self.closes_at = closes_at
        self.taken: list[Publication] = []
        self.losses = 0
        self.found: list[int] = []
        self.publisher = Publisher(
            self._publish, lambda: SPARE, PublishRefusals(), lambda: self.found.append(1)
        )

    def _publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        for message in messages:
            if self.closes_at(message):
                self.losses += 1
                return fail(MqttOffline("the broker closed the connection"))
            self.taken.append(message)
        return succeed(None)

    def deliver(self, messages: Sequence[Publication], attempts: int) -> Sequence[int] | None:
        """Positions of what was passed over, when the batch is taken; None: it is not."""
        for _ in range(attempts):
            try:
                return list(result_of(ensureDeferred(self.publisher.publish(messages))))
            except MqttOffline:
                pass
        return None


@pytest.mark.parametrize("at", [0, 7, 99])
@pytest.mark.parametrize("size", [1, 100])
def test_the_message_at_fault_is_passed_over_and_named(size: int, at: int) -> None:
    messages = batch(size)
    guilty = messages[min(at, size - 1)]
    broker = Broker(lambda message: message == guilty)
    assert broker.deliver(messages, 20) == [messages.index(guilty)]
    assert broker.losses == LOSSES + LOSSES_ALONE
    assert set(broker.taken) >= set(messages) - {guilty}
    # What follows goes in one piece again.
    assert broker.deliver(batch(3)[1:], 1) == []


def test_several_at_fault() -> None:
    messages = batch(20)
    broker = Broker(lambda message: message in (messages[3], messages[4], messages[19]))
    assert broker.deliver(messages, 40) == [3, 4, 19]
    assert len(broker.found) == 3


def test_what_is_tried_is_named() -> None:
    messages = batch(20)
    broker = Broker(lambda message: message == messages[3])
    assert broker.deliver(messages, LOSSES - 1) is None
    assert broker.publisher.hunt == ""
    assert broker.deliver(messages, 1) is None
    assert broker.publisher.hunt.endswith(": each is sent alone")
    assert broker.deliver(messages, 1) is None
    assert broker.publisher.hunt.endswith(": ep/3/ul (1 bytes) is sent alone")
    assert broker.deliver(messages, LOSSES_ALONE) == [3]
    assert broker.publisher.hunt == ""


def test_nothing_is_passed_over_while_the_broker_takes_nothing() -> None:
    broker = Broker(lambda message: True)
    assert broker.deliver(batch(5), 100) is None
    broker.closes_at = lambda message: False
    assert broker.deliver(batch(5), 1) == []


def test_an_unlucky_network_costs_no_message() -> None:
    messages = batch(5)
    broker = Broker(lambda message: True)
    assert broker.deliver(messages, LOSSES + LOSSES_ALONE - 1) is None
    broker.closes_at = lambda message: False
    # Meanwhile more has come.
    assert broker.deliver(batch(8), 1) == []
    assert broker.taken == batch(8)


class Unsteady:
    """A broker that is lost after some messages, and said how many it had acknowledged by then.

    :ivar losses: number of messages after which it is lost, for the next connections.
    """

    def __init__(self, *losses: int) -> None:
        self.losses = list(losses)
        self.sent: list[Sequence[Publication]] = []
        self.publisher = Publisher(self._publish, lambda: SPARE, PublishRefusals(), lambda: None)

    def _publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        taken = self.losses[0] if self.losses else len(messages)
        if len(messages) <= taken:
            self.sent.append(messages)
            return succeed(None)
        self.sent.append(messages[: self.losses.pop(0)])
        return fail(MqttOffline("lost", taken))

    def deliver(self, messages: Sequence[Publication]) -> bool:
        try:
            return not result_of(ensureDeferred(self.publisher.publish(messages)))
        except MqttOffline:
            return False


def test_a_batch_comes_again_whole_after_a_loss() -> None:
    """A broker without persistence forgets, when it ends, what it has acknowledged and not passed on."""
    broker = Unsteady(10)
    assert not broker.deliver(batch(50))
    assert broker.deliver(batch(60))
    assert broker.sent[1] == batch(60)


def test_losses_at_different_places_are_nobody_s_fault() -> None:
    broker = Unsteady(0, WINDOW, 2 * WINDOW, 3 * WINDOW)
    assert [broker.deliver(batch(5 * WINDOW)) for _ in range(4)] == [False] * 4
    assert broker.publisher.hunt == ""
    assert broker.deliver(batch(5 * WINDOW))


def test_only_what_was_in_flight_at_each_loss_is_sent_alone() -> None:
    messages = batch(3 * WINDOW)
    broker = Unsteady(20, 10)
    assert [broker.deliver(messages) for _ in range(3)] == [False, False, True]
    assert [len(sent) for sent in broker.sent[2:]] == [20, *[1] * (WINDOW - 10), 2 * WINDOW - 10]
    assert [each for sent in broker.sent[2:] for each in sent] == messages


def test_without_acknowledgements_any_message_may_be_at_fault() -> None:
    messages = batch(2 * WINDOW)
    broker = Broker(lambda message: message == messages[-1])
    assert broker.deliver(messages, 20) == [len(messages) - 1]


def test_a_batch_that_has_become_shorter_is_taken_without_those_at_fault_that_have_gone() -> None:
    messages = batch(20)
    broker = Broker(lambda message: message in (messages[3], messages[7], messages[9]))
    while len(broker.found) < 2:
        assert broker.deliver(messages, 1) is None
    assert broker.deliver(messages[:5], 1) == [3]
    assert set(broker.taken) >= {*messages[:3], messages[4]}


# What the broker refuses (MQTT 5)


class Refusing:
    """A broker that says which messages it does not take.

    :ivar refuses: whether it refuses a message.
    """

    def __init__(self, refuses: Callable[[Publication], bool]) -> None:
        self.refuses = refuses
        self.taken: list[Publication] = []
        self.found: list[int] = []
        self.publisher = Publisher(
            self._publish, lambda: SPARE, PublishRefusals(), lambda: self.found.append(1)
        )

    def _publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        refused = {at: FORBIDDEN for at, each in enumerate(messages) if self.refuses(each)}
        self.taken += [each for at, each in enumerate(messages) if at not in refused]
        return fail(MessagesRefused(refused)) if refused else succeed(None)

    def deliver(self, messages: Sequence[Publication]) -> dict[int, str] | str:
        try:
            return dict(result_of(ensureDeferred(self.publisher.publish(messages))))
        except MessagesHeld as error:
            return str(error)


FORBIDDEN = PublishRefusal(0x87, "not authorized")


def mixed(size: int) -> list[Publication]:
    schemas = ["uplink", "sensor-status"]
    return [
        Publication(f"ep/{number}/{schemas[number % 2]}", b"", False, About(schemas[number % 2]))
        for number in range(size)
    ]


def test_only_what_waits_is_published_again() -> None:
    messages = mixed(4)
    broker = Refusing(lambda message: "uplink" in message.topic)
    assert broker.deliver(messages) == "ep/0/uplink: the broker refuses it: not authorized"
    assert broker.taken == [messages[1], messages[3]]
    # More has come meanwhile.
    assert broker.deliver(mixed(6)) == "ep/0/uplink: the broker refuses it: not authorized"
    broker.refuses = lambda message: False
    assert broker.deliver(mixed(6)) == {}
    assert sorted(broker.taken) == sorted(mixed(6))


def test_nothing_counts_as_taken_because_messages_in_front_of_it_have_gone() -> None:
    messages = mixed(4)
    broker = Refusing(lambda message: "uplink" in message.topic)
    assert isinstance(broker.deliver([messages[1], SPARE, messages[0], messages[2]]), str)
    broker.refuses = lambda message: False
    assert broker.deliver([messages[1], messages[0], messages[2]]) == {}
    assert {messages[0], messages[2]} <= set(broker.taken)


def test_what_is_set_aside_is_told_when_the_rest_is_taken() -> None:
    messages = mixed(4)
    broker = Refusing(lambda message: message in (messages[0], messages[1]))
    for _ in range(PROOFS - 1):
        assert broker.deliver(messages) == "ep/0/uplink: the broker refuses it: not authorized"
    assert broker.deliver(messages) == dict.fromkeys((0, 1), "the broker refuses it: not authorized")
    assert set(broker.taken) == set(messages[2:])


def uplinks(first: int, size: int) -> list[Publication]:
    return [
        Publication(f"ep/{number}/ul", b"", False, About("uplink")) for number in range(first, first + size)
    ]


def outcomes(broker: Refusing, messages: Sequence[Publication], attempts: int) -> list[dict[int, str] | str]:
    """Outcomes of the attempts to deliver a batch that does not grow, until it is settled."""
    found: list[dict[int, str] | str] = []
    while len(found) < attempts and not (found and isinstance(found[-1], dict)):
        found.append(broker.deliver(messages))
    return found


@pytest.mark.parametrize("first", [0, 28])
def test_many_forbidden_topics_in_front_or_at_the_end_do_not_stop_a_full_batch(first: int) -> None:
    messages = uplinks(0, 40)
    forbidden = messages[first : first + 12]
    broker = Refusing(lambda message: message in forbidden)
    *_, last = outcomes(broker, messages, 10)
    assert isinstance(last, dict) and list(last) == list(range(first, first + 12))
    assert set(broker.taken) == set(messages) - set(forbidden)


def test_single_uplinks_wait_when_the_broker_ceases_to_take_any() -> None:
    broker = Refusing(lambda message: False)
    assert broker.deliver(uplinks(0, 1)) == {}
    broker.refuses = lambda message: True
    assert all(isinstance(each, str) for each in outcomes(broker, uplinks(1, 1), 30))
    broker.refuses = lambda message: False
    assert broker.deliver(uplinks(1, 1)) == {}
    assert set(broker.taken) == set(uplinks(0, 2))


def test_a_forbidden_topic_is_found_where_each_uplink_comes_alone() -> None:
    [other, forbidden] = uplinks(0, 2)
    broker = Refusing(lambda message: message.topic == forbidden.topic)
    assert broker.deliver([other]) == {}
    found = outcomes(broker, [forbidden], 10)
    assert len(found) == PROOFS and found[-1] == {0: "the broker refuses it: not authorized"}
    # From now on it is known, and no other uplink is published again.
    count = len(broker.taken)
    assert broker.deliver([forbidden._replace(payload=b"2")]) == {0: "the broker refuses it: not authorized"}
    assert len(broker.taken) == count
    # Many at once may be all.
    many = [forbidden._replace(payload=b"%d" % number) for number in range(20)]
    assert isinstance(broker.deliver(many), str) and isinstance(broker.deliver(many), dict)


def test_a_connection_lost_while_the_broker_is_asked_again_costs_no_message() -> None:
    [other, forbidden] = uplinks(0, 2)
    broker = Refusing(lambda message: message.topic == forbidden.topic)
    assert broker.deliver([other]) == {}
    publish = broker.publisher._publish_all

    def lose(messages: Sequence[Publication]) -> Deferred[None]:
        return fail(MqttOffline("lost")) if messages == [other] else publish(messages)

    broker.publisher._publish_all = lose
    with pytest.raises(MqttOffline):
        broker.deliver([forbidden])
    broker.publisher._publish_all, broker.refuses = publish, lambda message: False
    assert broker.deliver([forbidden]) == {} and broker.taken[-1] == forbidden


def test_many_refused_in_the_middle_are_tried_again() -> None:
    """All may have been forbidden for a moment."""
    messages = uplinks(0, 40)
    broker = Refusing(lambda message: message in messages[10:30])
    assert isinstance(broker.deliver(messages), str)
    broker.refuses = lambda message: False
    assert broker.deliver(messages) == {}
    assert set(broker.taken) == set(messages)
