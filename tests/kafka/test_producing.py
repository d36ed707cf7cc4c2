from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.python.failure import Failure

from bssci.kafka.batch_size import FIRST_WAIT
from bssci.kafka.producing import ANSWER_TIME, SILENCE, KafkaProducer, ProducerMessage, RefusedMessage
from tests.kafka.mock_cluster import NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS, PRODUCE, mock_cluster
from tests.kafka.stand_ins import ClientError, ClientTrouble, FakeBroker, FakeProducer, HandedOver


def message(key: str) -> ProducerMessage:
    return ProducerMessage("raw", key.encode(), b"{}", [("id", key.encode())])


WEIGHT = 6
"""bytes of a message whose key is one letter"""


def large(letters: str) -> list[str]:
    """Keys of messages of which nine are sent at once."""
    return [50_000 * letter for letter in letters]


class Fixture:
    """A producer, and the clients that it made.

    :ivar seconds: of the monotonic clock.
    """

    def __init__(self) -> None:
        self.reactor = HandedOver()
        self.broker = FakeBroker()
        self.made: list[FakeProducer] = []
        self.at_once: dict[bytes, Exception] = {}
        self.seconds = 0.0
        self.producer = KafkaProducer(
            self.reactor, {"bootstrap.servers": "x:1"}, self._make, lambda: self.seconds
        )
        self.producer.start()

    def _make(self, configuration: dict[str, Any]) -> FakeProducer:
        self.made.append(FakeProducer(configuration, self.broker))
        self.made[-1].at_once = self.at_once
        return self.made[-1]

    def send(self, *keys: str) -> Any:
        return self.reactor.result(self.producer.send([message(key) for key in keys]))

    def fails(self, *keys: str) -> str:
        return self.reactor.failure(self.producer.send([message(key) for key in keys]))


@pytest.fixture
def it() -> Iterator[Fixture]:
    fixture = Fixture()
    yield fixture
    fixture.reactor.result(fixture.producer.stop(1.0))


def test_a_batch_is_done_when_each_message_is_confirmed(it: Fixture) -> None:
    assert it.send("a", "b") == []
    assert it.send("c") == []
    assert it.broker.taken == ["a", "b", "c"]
    assert len(it.made) == 1


def test_nothing_is_doubled_or_lost_by_the_way_it_is_sent(it: Fixture) -> None:
    it.send("a")
    said = it.made[0].configuration
    assert (said["enable.idempotence"], said["acks"], said["enable.gapless.guarantee"]) == (True, "all", True)


def test_a_full_queue_makes_room_by_itself(it: Fixture) -> None:
    it.send("a")
    it.made[0].room = 2
    assert it.send(*"bcdefg") == []
    assert it.broker.taken == list("abcdefg")


def test_messages_that_are_too_large_together_are_sent_in_smaller_sets_and_in_their_order(
    it: Fixture,
) -> None:
    it.broker.limit = 4 * WEIGHT
    assert it.send(*"abcdefghijklmnop") == []
    assert it.broker.taken == list("abcdefghijklmnop")
    assert [each.sets for each in it.made] == [[16], [8], [4, 4, 4, 4]]
    # It is remembered, and no new client is needed.
    assert it.send(*"abcdef") == []
    assert it.made[-1].sets[4:] == [4, 2] and len(it.made) == 3


def test_more_is_sent_at_once_again_later(it: Fixture) -> None:
    it.broker.limit = 4 * WEIGHT
    it.send(*"abcdefghijklmnop")
    it.broker.limit = 1_000_000
    it.seconds += FIRST_WAIT
    assert it.send(*"abcdefgh") == []
    assert it.made[-1].sets == [8] and len(it.made) == 4
    # It was too early: as much as before goes on, without a change of the order.
    it.broker.limit = 4 * WEIGHT
    assert it.send(*"stuvwxyz") == []
    assert it.broker.taken[-8:] == list("stuvwxyz") and it.made[-1].sets == [4, 4]


def test_a_refusal_that_comes_late_is_heard(it: Fixture) -> None:
    it.broker.limit = 4 * WEIGHT

    def connect_slowly(seconds: float) -> None:
        it.seconds += 2 * SILENCE
        it.broker.silence = None

    it.broker.silence = connect_slowly
    assert it.send(*"abcdefgh") == []
    assert it.broker.taken == list("abcdefgh") and len(it.made) == 2


def test_nothing_overtakes_what_the_broker_refuses(it: Fixture) -> None:
    # Nine make a set, which is too large; the other four would be taken before they come again.
    it.broker.limit = 850_000
    batch = large("abcdefghijklm")
    assert it.send(*batch) == []
    assert it.broker.taken == batch


def test_one_that_is_too_large_is_found_and_costs_itself(it: Fixture) -> None:
    it.broker.limit = 4 * WEIGHT
    [refused] = it.send(*"abcd", "x" * 4 * WEIGHT, *"efgh")
    assert refused == RefusedMessage(
        4, "the message is larger than the broker takes (MSG_SIZE_TOO_LARGE, topic raw)"
    )
    assert it.broker.taken == list("abcdefgh")


def test_one_that_the_broker_names_does_not_cost_those_that_were_sent_with_it(it: Fixture) -> None:
    it.broker.at_fault = b"c"
    [refused] = it.send(*"abcd")
    assert (refused.place, "INVALID_RECORD" in refused.reason) == (2, True)
    assert it.broker.taken == list("abd")
    assert [each.sets for each in it.made] == [[4], [3]], "the size was not the reason"


def test_one_that_the_broker_does_not_name_is_found_by_smaller_sets(it: Fixture) -> None:
    it.broker.errors[b"c"] = "INVALID_RECORD"
    assert [each.place for each in it.send(*"abcd")] == [2]
    assert it.broker.taken == list("abd") and it.producer.trouble == ""


def test_what_is_taken_of_a_batch_that_fails_is_not_sent_again(it: Fixture) -> None:
    first, rest = large("ababcdefg"), large("xyz")
    it.broker.errors[rest[0].encode()] = "TOPIC_AUTHORIZATION_FAILED"
    for _ in range(2):
        assert "TOPIC_AUTHORIZATION_FAILED" in it.fails(*first, *rest)
        assert it.broker.taken == first
    it.broker.errors.clear()
    assert it.send(*first, *rest, first[0]) == []
    assert it.broker.taken == [*first, *rest, first[0]]
    assert it.send(first[0]) == [] and len(it.broker.taken) == 14, "it is forgotten with the batch"


def test_a_broker_that_names_nobody_at_fault_is_a_failure(it: Fixture) -> None:
    it.broker.errors[b"a"] = "_INVALID_DIFFERENT_RECORD"
    assert "_INVALID_DIFFERENT_RECORD" in it.fails("a", "b")


def test_one_that_the_client_never_takes_costs_itself(it: Fixture) -> None:
    it.at_once[b"b"] = ClientTrouble(ClientError("MSG_SIZE_TOO_LARGE"))
    assert [each.place for each in it.send("a", "b", "c")] == [1]


@pytest.mark.parametrize("name", ["NOT_ENOUGH_REPLICAS", "TOPIC_AUTHORIZATION_FAILED", "_UNKNOWN_TOPIC"])
def test_any_other_error_is_a_failure_and_the_next_batch_begins_anew(it: Fixture, name: str) -> None:
    it.broker.errors[b"b"] = name
    assert name in it.fails("a", "b")
    assert name in it.producer.trouble
    assert it.made[0].purged
    it.broker.errors.clear()
    assert it.send("a", "b") == []
    assert it.producer.trouble == ""
    assert len(it.made) == 2


def test_an_exception_of_the_client_is_a_failure(it: Fixture) -> None:
    it.at_once[b"a"] = ClientTrouble("fatal: fenced")
    assert it.fails("a") == "fatal: fenced"
    it.at_once[b"a"] = ClientTrouble(ClientError("OUT_OF_ORDER_SEQUENCE_NUMBER"))
    assert it.fails("a") == "the broker has lost count of our messages (OUT_OF_ORDER_SEQUENCE_NUMBER)"
    it.at_once.clear()
    assert it.send("a") == []


def test_silence_of_the_broker_is_said_and_ends_the_batch(it: Fixture) -> None:
    said: list[str] = []

    def silence(seconds: float) -> None:
        it.seconds += seconds
        said.append(it.producer.trouble)

    it.broker.silence = silence
    assert it.fails("a") == "the broker did not confirm in time"
    assert said[0] == "" and "the broker has not confirmed for 4 s" in said
    assert it.seconds == pytest.approx(ANSWER_TIME, abs=0.1) and it.made[0].purged
    it.broker.silence = None
    assert it.send("a") == [] and it.producer.trouble == ""


def test_a_failure_says_what_the_client_said_before(it: Fixture) -> None:
    def silence(seconds: float) -> None:
        it.seconds += seconds
        it.made[-1].configuration["error_cb"](ClientError("_ALL_BROKERS_DOWN"))

    it.broker.silence = silence
    assert "no broker can be reached" in it.fails("a")


def test_a_stopped_producer_takes_nothing() -> None:
    it = Fixture()
    it.reactor.result(it.producer.stop(1.0))
    assert it.fails("a") == "the service stops"


def test_a_stop_is_bounded() -> None:
    reactor = HandedOver()
    producer = KafkaProducer(reactor, {}, FakeProducer)
    producer.start()
    done: list[Any] = []
    producer.stop(1.0).addCallback(done.append)
    reactor.advance(1.0)
    assert len(done) == 1


@pytest.mark.parts
def test_real_brokers_that_fail_get_each_message_once_and_in_order() -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition

    reactor = HandedOver()
    with mock_cluster() as cluster:
        connection = {"bootstrap.servers": cluster.servers, "log_level": 0}
        producer = KafkaProducer(reactor, {**connection, "max.in.flight": 1}, Producer)
        producer.start()
        sent: list[bytes] = []
        for turn, errors in enumerate([[NOT_ENOUGH_REPLICAS] * 3, [NETWORK_EXCEPTION], []]):
            cluster.answer(PRODUCE, *errors)
            if not errors:
                cluster.turn_off(1)
            values = [b"%d-%d" % (turn, number) for number in range(100)]
            messages = [
                ProducerMessage("raw", b"k%d" % (number % 7), value, ())
                for number, value in enumerate(values)
            ]
            sending = producer.send(messages)
            if not errors:
                cluster.turn_on(1)
            while isinstance(refused := reactor.result(sending), Failure):
                sending = producer.send(messages)
            assert refused == []
            sent += values
        reactor.result(producer.stop(5.0))
        consumer = Consumer({**connection, "group.id": "reader"})
        consumer.assign([TopicPartition("raw", each, 0) for each in range(3)])
        found: dict[bytes, list[bytes]] = {}
        while sum(map(len, found.values())) < len(sent):
            [message] = consumer.consume(1, 10)
            assert message.error() is None
            found.setdefault(message.key(), []).append(message.value())
        assert consumer.consume(1, 0.5) == []
        consumer.close()
    assert sorted(value for values in found.values() for value in values) == sorted(sent)
    for key, values in found.items():
        assert values == [value for number, value in enumerate(sent) if b"k%d" % (number % 100 % 7) == key]
