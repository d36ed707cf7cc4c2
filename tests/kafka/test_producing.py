from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bssci.kafka.producing import KafkaProducer, ProducerMessage, RefusedMessage
from tests.kafka.stand_ins import ClientError, ClientTrouble, FakeProducer, HandedOver


def message(key: str) -> ProducerMessage:
    return ProducerMessage("raw", key.encode(), b"{}", [("id", key.encode())])


class Fixture:
    def __init__(self) -> None:
        self.reactor = HandedOver()
        self.made: list[FakeProducer] = []
        self.errors: dict[bytes, str] = {}
        self.at_once: dict[bytes, Exception] = {}
        self.producer = KafkaProducer(self.reactor, {"bootstrap.servers": "x:1"}, self._make)
        self.producer.start()

    def _make(self, configuration: dict[str, Any]) -> FakeProducer:
        self.made.append(FakeProducer(configuration))
        self.made[-1].errors, self.made[-1].at_once = self.errors, self.at_once
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
    assert [key for _, key, _ in it.made[0].sent] == [b"a", b"b", b"c"]
    assert len(it.made) == 1


def test_nothing_is_doubled_or_lost_by_the_way_it_is_sent(it: Fixture) -> None:
    it.send("a")
    said = it.made[0].configuration
    assert (said["enable.idempotence"], said["acks"]) == (True, "all")


def test_a_full_queue_makes_room_by_itself(it: Fixture) -> None:
    it.send("a")
    it.made[0].room = 2
    assert it.send(*"bcdefg") == []
    assert len(it.made[0].sent) == 7


def test_one_that_the_broker_never_takes_costs_itself(it: Fixture) -> None:
    it.errors[b"b"] = "MSG_SIZE_TOO_LARGE"
    [refused] = it.send("a", "b", "c")
    assert refused == RefusedMessage(
        1, "the message is larger than the broker takes (MSG_SIZE_TOO_LARGE, topic raw)"
    )
    assert it.producer.trouble == ""


def test_messages_that_are_too_large_together_are_sent_in_smaller_groups(it: Fixture) -> None:
    it.send("a")
    [client] = it.made
    client.most = 3
    assert it.send(*"abcdefgh") == []
    assert client.together[1:] == [8, 4, 2, 2, 4, 2, 2]
    client.together.clear()
    assert it.send(*"abcd") == []
    assert client.together == [2, 2]


def test_one_that_is_at_fault_does_not_cost_those_that_were_sent_with_it(it: Fixture) -> None:
    it.send("x")
    [client] = it.made
    client.at_fault = b"c"
    [refused] = it.send(*"abcd")
    assert (refused.place, "INVALID_RECORD" in refused.reason) == (2, True)
    assert client.together[1:] == [4, 2, 2, 1, 1]
    # It was not too much: the next batch is sent whole.
    assert it.send(*"efgh") == []
    assert client.together[-1] == 4 and it.made == [client]


def test_one_that_the_client_never_takes_costs_itself(it: Fixture) -> None:
    it.at_once[b"b"] = ClientTrouble(ClientError("MSG_SIZE_TOO_LARGE"))
    assert [each.place for each in it.send("a", "b", "c")] == [1]


@pytest.mark.parametrize("name", ["_MSG_TIMED_OUT", "TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"])
def test_any_other_error_is_a_failure_and_the_next_batch_begins_anew(it: Fixture, name: str) -> None:
    it.errors[b"b"] = name
    assert name in it.fails("a", "b")
    assert name in it.producer.trouble
    assert it.made[0].purged
    it.errors.clear()
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


def test_a_time_out_says_what_the_client_said_before(it: Fixture) -> None:
    it.send("a")
    it.made[0].configuration["error_cb"](ClientError("_ALL_BROKERS_DOWN"))
    assert it.producer.trouble == "no broker can be reached (_ALL_BROKERS_DOWN)"
    it.errors[b"b"] = "_MSG_TIMED_OUT"
    assert it.fails("b") == "no broker can be reached (_ALL_BROKERS_DOWN)"


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
