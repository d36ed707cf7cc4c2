from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from bssci.kafka import consuming
from bssci.kafka.consuming import ConsumerRecord, KafkaConsumer
from tests.kafka.mock_cluster import GROUP_AUTHORIZATION_FAILED, OFFSET_COMMIT, mock_cluster
from tests.kafka.stand_ins import ClientError, ClientTrouble, FakeMessage, HandedOver
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition  # noqa: E402

EVERY = (-1,)
"""all partitions: the commit raises an exception"""


class FakeConsumer:
    """Hands out what is put into its queue, unless it is paused."""

    def __init__(self, there: SimpleQueue[Any], configuration: dict[str, Any]) -> None:
        self.configuration = configuration
        self.committed: SimpleQueue[dict[int, int]] = SimpleQueue()
        self.is_paused = False
        self.asked_in_vain: SimpleQueue[None] = SimpleQueue()
        self.looked: SimpleQueue[None] = SimpleQueue()
        self.closed = False
        self.fails_while_paused = False
        self.nobody_answers = False
        self.commit_errors: list[Sequence[int]] = []
        """for each commit, the partitions of which it fails"""
        self._there = there

    def subscribe(self, topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self.topics, self.callbacks = list(topics), callbacks
        self.assign(0, 1)

    def assign(self, *partitions: int) -> None:
        self.callbacks["on_assign"](self, [SimpleNamespace(partition=each) for each in partitions])

    def revoke(self, *partitions: int) -> None:
        self.callbacks["on_revoke"](self, [SimpleNamespace(partition=each) for each in partitions])

    def assignment(self) -> list[Any]:
        return ["something"]

    def pause(self, partitions: Any) -> None:
        self.is_paused = True

    def resume(self, partitions: Any) -> None:
        self.is_paused = False

    def consume(self, count: int, seconds: float) -> list[FakeMessage]:
        if self.is_paused:
            if self.fails_while_paused:
                raise ClientTrouble("fatal")
            self.asked_in_vain.put(None)
            Event().wait(0.005)
            return []
        try:
            found = self._there.get(timeout=0.01)
        except Empty:
            return []
        if isinstance(found, Exception):
            raise found
        return list(found)

    def commit(self, offsets: Sequence[Any], asynchronous: bool) -> list[Any]:
        failing = self.commit_errors.pop(0) if self.commit_errors else ()
        error = ClientError("COORDINATOR_NOT_AVAILABLE")
        if failing == EVERY:
            raise KafkaException(error)
        self.committed.put({each.partition: each.offset for each in offsets if each.partition not in failing})
        return [
            SimpleNamespace(partition=each.partition, error=error if each.partition in failing else None)
            for each in offsets
        ]

    def list_topics(self, topic: str, timeout: float) -> Any:
        self.looked.put(None)
        if self.nobody_answers:
            raise ClientTrouble("no metadata")
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})

    def close(self) -> None:
        self.closed = True


class Fixture:
    def __init__(self) -> None:
        self.reactor = HandedOver()
        self.there: SimpleQueue[Any] = SimpleQueue()
        self.made: list[FakeConsumer] = []
        self.opened: SimpleQueue[FakeConsumer] = SimpleQueue()
        self.offered: list[tuple[list[ConsumerRecord], Deferred[None]]] = []
        self.consumer = KafkaConsumer(self.reactor, {}, "raw", "bssci", self._take, self._make)
        self.consumer.start()

    def _make(self, configuration: dict[str, Any]) -> FakeConsumer:
        self.made.append(FakeConsumer(self.there, configuration))
        self.opened.put(self.made[-1])
        return self.made[-1]

    def _take(self, records: Sequence[ConsumerRecord]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.offered.append((list(records), done))
        return done

    def next(self) -> tuple[list[ConsumerRecord], Deferred[None]]:
        while not self.offered:
            self.reactor.turn()
        return self.offered.pop(0)

    def take_one(self) -> None:
        """Let a record be there, taken and committed."""
        self.there.put([FakeMessage(0, 7)])
        _, done = self.next()
        done.callback(None)
        self.made[0].committed.get(timeout=5)


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fixture]:
    monkeypatch.setattr(consuming, "POLL", 0.02)
    monkeypatch.setattr(consuming, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(consuming, "LONGEST_DELAY", 0.01)
    fixture = Fixture()
    yield fixture
    fixture.reactor.result(fixture.consumer.stop(5.0))
    assert all(each.closed for each in fixture.made)


def test_offsets_are_committed_when_the_batch_is_safe_and_not_before(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7), FakeMessage(0, 8), FakeMessage(1, 3)])
    records, done = it.next()
    assert [(each.partition, each.offset) for each in records] == [(0, 7), (0, 8), (1, 3)]
    assert it.made[0].committed.empty()
    done.callback(None)
    assert it.made[0].committed.get(timeout=5) == {0: 9, 1: 4}
    assert it.made[0].configuration["enable.auto.commit"] is False


@pytest.mark.parametrize(("is_taken", "committed"), [(True, [{0: 8}]), (False, [])])
def test_what_is_under_way_at_a_stop_is_committed_only_if_it_is_safe(
    it: Fixture, is_taken: bool, committed: list[dict[int, int]]
) -> None:
    it.there.put([FakeMessage(0, 7)])
    _, done = it.next()
    stopping = it.consumer.stop(5.0)
    if is_taken:
        done.callback(None)
    else:
        done.errback(RuntimeError("disk full"))
    it.reactor.result(stopping)
    found = []
    while not it.made[0].committed.empty():
        found.append(it.made[0].committed.get())
    assert found == committed


@pytest.mark.parametrize(
    ("errors", "committed"), [([EVERY, EVERY], [{0: 8, 1: 4}]), ([[1]], [{0: 8}, {1: 4}])]
)
def test_what_could_not_be_committed_is_committed_later(
    it: Fixture, monkeypatch: pytest.MonkeyPatch, errors: list[Sequence[int]], committed: list[dict[int, int]]
) -> None:
    """Until the next record of a partition, which may come in weeks, all of it would come again."""
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.01)
    it.opened.get(timeout=5).commit_errors = list(errors)
    it.there.put([FakeMessage(0, 7), FakeMessage(1, 3)])
    _, done = it.next()
    done.callback(None)
    assert [it.made[0].committed.get(timeout=5) for _ in committed] == committed


def not_committed(it: Fixture) -> FakeConsumer:
    """A consumer whose record 7 is taken, but which cannot commit that."""
    consumer = it.opened.get(timeout=5)
    consumer.commit_errors = [EVERY]
    it.there.put([FakeMessage(0, 7)])
    _, done = it.next()
    done.callback(None)
    consumer.looked.get(timeout=5)
    return consumer


def test_what_could_not_be_committed_is_committed_at_the_stop(it: Fixture) -> None:
    consumer = not_committed(it)
    it.reactor.result(it.consumer.stop(5.0))
    assert consumer.committed.get(timeout=5) == {0: 8}


def test_what_went_to_another_instance_before_it_was_committed_is_not_committed_here(it: Fixture) -> None:
    consumer = not_committed(it)
    consumer.revoke(0)
    it.reactor.result(it.consumer.stop(5.0))
    assert consumer.committed.empty()


def test_large_records_are_offered_some_at_a_time(it: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "BATCH_BYTES", 10)
    it.there.put([FakeMessage(0, 7, b"1234567"), FakeMessage(0, 8, b"12345678"), FakeMessage(1, 3, b"1")])
    records, done = it.next()
    assert [(each.partition, each.offset) for each in records] == [(0, 7)]
    done.callback(None)
    assert it.made[0].committed.get(timeout=5) == {0: 8}
    records, done = it.next()
    assert [(each.partition, each.offset) for each in records] == [(0, 8), (1, 3)]
    done.callback(None)


def test_a_batch_at_which_the_center_stumbles_is_offered_again(it: Fixture) -> None:
    take, it.consumer._take = it.consumer._take, lambda records: 1 / 0
    it.there.put([FakeMessage(0, 7)])
    it.reactor.turn()
    while "division" not in it.consumer.trouble:
        it.reactor.turn()
    it.consumer._take = take
    _, done = it.next()
    done.callback(None)
    assert it.made[0].committed.get(timeout=5) == {0: 8}


def test_what_was_not_taken_is_offered_again_before_anything_new(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7)])
    it.there.put([FakeMessage(0, 8)])
    first, done = it.next()
    done.errback(RuntimeError("the disk is full"))
    again, done = it.next()
    assert again == first
    assert it.consumer.trouble == "the disk is full"
    done.callback(None)
    later, done = it.next()
    assert [each.offset for each in later] == [8]
    assert it.consumer.trouble == ""
    done.callback(None)


def test_the_group_hears_of_us_while_the_disk_takes_its_time(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7)])
    _, done = it.next()
    for _ in range(2):
        it.made[0].asked_in_vain.get(timeout=5)
    assert it.offered == []
    done.callback(None)


def test_what_went_to_another_instance_meanwhile_is_not_committed_here(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7), FakeMessage(1, 3)])
    _, done = it.next()
    it.made[0].revoke(0)
    assert it.consumer.partitions == [1]
    done.callback(None)
    assert it.made[0].committed.get(timeout=5) == {1: 4}


def test_an_error_in_the_stream_is_told_and_costs_no_record(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7, error="UNKNOWN_TOPIC_OR_PART"), FakeMessage(0, 8)])
    records, done = it.next()
    assert [each.offset for each in records] == [8]
    assert "no such topic" in it.consumer.trouble
    done.callback(None)


def test_a_consumer_that_fails_is_followed_by_another(it: Fixture) -> None:
    it.there.put(ClientTrouble("fatal"))
    it.there.put([FakeMessage(0, 7)])
    _, done = it.next()
    assert len(it.made) == 2 and it.made[0].closed
    done.callback(None)


def test_the_answer_to_a_batch_that_was_given_up_is_not_taken_for_the_next_one_s(it: Fixture) -> None:
    it.there.put([FakeMessage(0, 7)])
    _, given_up = it.next()
    it.made[0].fails_while_paused = True
    it.there.put([FakeMessage(0, 9)])
    _, done = it.next()
    given_up.callback(None)
    for _ in range(2):
        it.made[1].asked_in_vain.get(timeout=5)
    assert it.made[1].committed.empty()
    done.callback(None)
    assert it.made[1].committed.get(timeout=5) == {0: 10}


def test_a_trouble_ends_by_itself(it: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    it.take_one()
    it.made[0].configuration["error_cb"](ClientError("_ALL_BROKERS_DOWN"))
    it.made[0].looked.get(timeout=5)
    # The thread offers records after it has looked.
    it.there.put([FakeMessage(0, 8)])
    _, done = it.next()
    assert it.consumer.trouble == ""
    done.callback(None)


def test_a_group_without_a_place_for_us_is_said_until_it_has_one(
    it: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a coordinator, for example: the client library asks for one again and again, in silence."""
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.0)
    monkeypatch.setattr(consuming, "PLACE_TIME", 0.0)
    it.take_one()
    assert it.consumer.trouble == ""
    monkeypatch.setattr(FakeConsumer, "assign", lambda *arguments: None)
    it.there.put(ClientTrouble("fatal"))
    _, second = it.opened.get(timeout=5), it.opened.get(timeout=5)
    for _ in range(2):
        second.looked.get(timeout=5)
    assert "no place in the consumer group" in it.consumer.trouble
    monkeypatch.undo()
    second.assign(0)
    it.there.put([FakeMessage(0, 8)])
    _, done = it.next()
    assert "no place" not in it.consumer.trouble
    done.callback(None)


def test_brokers_that_fall_silent_are_said_until_they_answer(
    it: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library reports no error for a minute."""
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.0)
    it.take_one()
    it.made[0].nobody_answers = True
    it.made[0].callbacks["on_lost"](it.made[0], [SimpleNamespace(partition=0)])
    for _ in range(2):
        it.made[0].looked.get(timeout=5)
    assert it.consumer.partitions == [1]
    assert "did not answer in time" in it.consumer.trouble
    it.made[0].nobody_answers = False
    it.there.put([FakeMessage(1, 8)])
    _, done = it.next()
    assert it.consumer.trouble == ""
    done.callback(None)


def test_brokers_that_cannot_be_reached_are_logged_once(
    it: Fixture, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.0)
    it.take_one()
    it.made[0].nobody_answers = True
    for _ in range(3):
        for name in ("_TRANSPORT", "_ALL_BROKERS_DOWN"):
            it.made[0].configuration["error_cb"](ClientError(name))
            it.made[0].looked.get(timeout=5)
    assert "the connection to the broker is lost" in it.consumer.trouble
    assert sum("receives nothing" in line for line in log_lines) == len(it.made) == 1
    # It goes on as soon as somebody answers.
    it.made[0].nobody_answers = False
    it.there.put([FakeMessage(0, 8)])
    _, done = it.next()
    done.callback(None)


def test_a_record_holds_what_the_message_says(it: Fixture) -> None:
    it.there.put([FakeMessage(1, 2, b"value")])
    [record], done = it.next()
    assert record == ConsumerRecord(1, 2, b"", b"value", 5.0)
    done.callback(None)


def test_a_partition_that_a_batch_holds_up_is_named_until_it_gives_records(it: Fixture) -> None:
    it.there.put([FakeMessage(1, 7, error="_BAD_COMPRESSION"), FakeMessage(0, 8)])
    _, done = it.next()
    done.callback(None)
    it.made[0].committed.get(timeout=5)
    it.made[0].looked.get(timeout=5)
    it.there.put([FakeMessage(0, 9)])
    _, done = it.next()
    place = "(_BAD_COMPRESSION, topic raw, partition 1, offset 7)"
    assert it.consumer.trouble.endswith(place)
    done.callback(None)
    assert it.consumer.trouble.endswith(place)
    it.there.put([FakeMessage(1, 12)])
    _, done = it.next()
    done.callback(None)
    assert it.consumer.trouble == ""


def test_a_partition_that_went_to_another_instance_holds_up_nothing_here(it: Fixture) -> None:
    it.there.put([FakeMessage(1, 7, error="_BAD_COMPRESSION"), FakeMessage(0, 8)])
    _, done = it.next()
    it.made[0].revoke(1)
    done.callback(None)
    assert it.consumer.trouble == ""


@pytest.mark.parts
def test_real_brokers_that_refuse_commits_have_them_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "LOOK_INTERVAL", 0.1)
    reactor, offered = HandedOver(), list[Sequence[ConsumerRecord]]()

    def take(records: Sequence[ConsumerRecord]) -> Deferred[None]:
        offered.append(records)
        return succeed(None)

    with mock_cluster() as cluster:
        connection = {"bootstrap.servers": cluster.servers, "log_level": 0}
        producer = Producer(connection)
        for number in range(30):
            producer.produce("raw", b"%d" % number, partition=number % 3)
        assert producer.flush(10) == 0
        cluster.answer(OFFSET_COMMIT, *[GROUP_AUTHORIZATION_FAILED] * 3)
        consumer = KafkaConsumer(reactor, connection, "raw", "bssci", take, Consumer)
        consumer.start()
        while sum(map(len, offered)) < 30:
            reactor.turn()
        reader = Consumer({**connection, "group.id": "bssci"})
        places = [TopicPartition("raw", each) for each in range(3)]
        while [each.offset for each in reader.committed(places, timeout=10)] != [10, 10, 10]:
            pass
        reactor.result(consumer.stop(10.0))
        reader.close()
    assert {each.value for records in offered for each in records} == {b"%d" % number for number in range(30)}
