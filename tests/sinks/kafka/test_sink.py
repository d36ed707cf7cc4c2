"""The sink with a producer that is none, and, as every sink, with a real broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed

from bssci.kafka import producing
from bssci.kafka.producing import KafkaProducer, ProducerMessage, RefusedMessage
from bssci.kafka.reporting import KafkaError
from bssci.model import Decoded, Reading
from bssci.sinks.kafka import sink as module
from bssci.sinks.kafka.sink import KafkaSink
from bssci.sinks.testing import SinkBench, SinkConformance, reception, uplink, uplinks
from tests.kafka.broker import KafkaBroker
from tests.support.telegrams import telegram


class Taking:
    """A producer that takes what it is given."""

    def __init__(self) -> None:
        self.sent: list[Sequence[ProducerMessage]] = []
        self.refused: list[RefusedMessage] = []
        self.trouble = ""
        self.is_away = False
        self.did: list[str] = []

    def start(self) -> None:
        self.did.append("start")

    def send(self, messages: Sequence[ProducerMessage]) -> Deferred[list[RefusedMessage]]:
        if self.is_away:
            return fail(KafkaError("away"))
        self.sent.append(messages)
        return succeed(self.refused)

    def stop(self, seconds: float) -> Deferred[None]:
        self.did.append("stop")
        return succeed(None)


def sink_of(producer: Any) -> KafkaSink:
    return KafkaSink(producer, "raw", "decoded", "mioty")


def outcome_of(delivered: Deferred[None]) -> Any:
    found: list[Any] = []
    delivered.addBoth(found.append)
    return found[0]


def test_a_batch_is_sent_whole_and_in_its_order() -> None:
    producer = Taking()
    first, second = uplinks(2)
    second = msgspec.structs.replace(second, decoded=Decoded(decoder="d@1", readings=(Reading("a", 1),)))
    assert outcome_of(sink_of(producer).deliver([first, second])) is None
    [messages] = producer.sent
    assert [each.topic for each in messages] == ["raw", "raw", "decoded"]
    assert [dict(each.headers)["id"].decode() for each in messages] == [first.id, second.id, second.id]


def test_what_came_from_the_raw_topic_is_not_written_there_again() -> None:
    producer = Taking()
    decoded = Decoded(decoder="d@1", readings=(Reading("a", 1),))
    events = [telegram(1, source=source, decoded=decoded) for source in ("mqtt", "kafka")]
    assert outcome_of(sink_of(producer).deliver(events)) is None
    assert [message.topic for message in producer.sent[0]] == ["raw", "decoded", "decoded"]


def test_a_failure_is_one_of_the_batch() -> None:
    producer = Taking()
    producer.is_away = True
    sink = sink_of(producer)
    assert outcome_of(sink.deliver([uplink(1)])).getErrorMessage() == "away"
    assert sink.set_aside.count == 0


def test_what_the_broker_never_takes_is_set_aside_once() -> None:
    producer = Taking()
    sink = sink_of(producer)
    producer.refused = [RefusedMessage(0, "too large"), RefusedMessage(0, "too large")]
    assert outcome_of(sink.deliver([uplink(1), uplink(2)])) is None
    assert (sink.set_aside.count, sink.set_aside.last_reason) == (1, "too large")


def test_brokers_that_refuse_everything_are_at_fault_themselves() -> None:
    producer = Taking()
    sink = sink_of(producer)
    producer.refused = [RefusedMessage(place, "too large") for place in range(11)]
    failure = outcome_of(sink.deliver(uplinks(11)))
    assert failure.getErrorMessage() == "the brokers refuse every message: too large"
    assert sink.set_aside.count == 0
    # Beside one that they took: they may have begun, or ceased, to refuse everything meanwhile.
    failure = outcome_of(sink.deliver(uplinks(12)))
    assert failure.getErrorMessage() == "the brokers refuse many messages in a row: too large"
    assert sink.set_aside.count == 0
    assert outcome_of(sink.deliver(uplinks(12))) is None
    assert sink.set_aside.count == 11


def test_messages_that_were_refused_for_a_moment_are_not_lost() -> None:
    producer = Taking()
    sink = sink_of(producer)
    producer.refused = [RefusedMessage(place, "not now") for place in range(11)]
    outcome_of(sink.deliver(uplinks(20)))
    producer.refused = []
    assert outcome_of(sink.deliver(uplinks(20))) is None
    assert (sink.set_aside.count, len(producer.sent[-1])) == (0, 20)


def test_readings_that_are_refused_do_not_make_the_rest_wait() -> None:
    producer = Taking()
    sink = sink_of(producer)
    decoded = Decoded(decoder="d@1", readings=(Reading("a", 1),))
    batch = [msgspec.structs.replace(event, decoded=decoded) for event in uplinks(20)]
    producer.refused = [RefusedMessage(2 * number + 1, "too large") for number in range(20)]
    assert outcome_of(sink.deliver(batch)) is None
    assert sink.set_aside.count == 20


def test_what_cannot_be_written_costs_itself() -> None:
    producer = Taking()
    sink = sink_of(producer)
    odd = uplink(77, receptions=[reception(77, profile="half a character \ud800")])
    assert outcome_of(sink.deliver([uplink(1), odd, uplink(2)])) is None
    assert len(producer.sent[0]) == 2
    assert sink.set_aside.count == 1


def test_an_empty_batch_asks_nothing_of_the_broker() -> None:
    producer = Taking()
    assert outcome_of(sink_of(producer).deliver([])) is None
    assert producer.sent == []


def test_trouble_start_and_stop_are_the_producers() -> None:
    producer = Taking()
    producer.trouble = "away"
    sink = sink_of(producer)
    sink.start()
    sink.stop()
    assert (sink.trouble, producer.did) == ("away", ["start", "stop"])
    assert module.STOP_TIME > 0


class KafkaBench(SinkBench):
    def __init__(self, broker: KafkaBroker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        broker.make_topic(topic, 1)

    def make_sink(self) -> KafkaSink:
        from confluent_kafka import Producer

        connection = {"bootstrap.servers": self._broker.servers}
        return KafkaSink(KafkaProducer(reactor, connection, Producer), self._topic, "decoded", "mioty")

    def received(self) -> list[str]:
        found = self._broker.read(self._topic)
        return [body["payload"]["id"] for _, body in found if body["kind"] == "uplink"]

    def break_other_side(self) -> None:
        self._broker.freeze()

    def mend_other_side(self) -> None:
        self._broker.thaw()

    def refused_event(self) -> Any:
        return uplink(77, receptions=[reception(77, profile="half a character \ud800")])


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker() as running:
        running.make_topic("decoded", 1)
        yield running


@pytest.mark.parts
class TestKafka(SinkConformance):
    @pytest.fixture
    def bench(
        self, broker: KafkaBroker, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> SinkBench:
        monkeypatch.setattr(producing, "SILENCE", 0.5)
        return KafkaBench(broker, f"t{abs(hash(request.node.name))}")
