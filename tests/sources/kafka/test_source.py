from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bssci.kafka import settings as kafka
from bssci.kafka.consuming import ConsumerRecord
from bssci.model import Telegram
from bssci.sources import TelegramsRefused
from bssci.sources.envelopes import scanner
from bssci.sources.envelopes.values import Form, Incoming, Remark
from bssci.sources.kafka.source import KafkaSource, KafkaSourceFactory
from bssci.system.clock import TURN
from tests.support.telegrams import AT, Ingest, advertisement, telegram


class Consumer:
    """A consumer that a test speaks for."""

    def __init__(self, take: Any) -> None:
        self.take = take
        self.trouble = ""
        self.did: list[str] = []

    def start(self) -> None:
        self.did.append("start")

    def stop(self, seconds: float) -> Deferred[None]:
        self.did.append("stop")
        return succeed(None)


class Fixture:
    def __init__(self, forms: Sequence[Form] = tuple(scanner.FORMS)) -> None:
        self.clock = Clock()
        self.ingest = Ingest()
        self.source = KafkaSource(self.clock, lambda: AT, self._make, forms)
        self.source.start(self.ingest)

    def _make(self, take: Any) -> Any:
        self.consumer = Consumer(take)
        return self.consumer

    def take(self, *values: bytes) -> Deferred[None]:
        records = [ConsumerRecord(0, 7 + n, b"", value, None) for n, value in enumerate(values)]
        done: Deferred[None] = self.consumer.take(records)
        return done


GOOD = json.dumps({"original_topic": "bt-mqtt/raw/roof", "payload": advertisement()}).encode()


def test_a_batch_is_taken_when_it_is_on_disk() -> None:
    it = Fixture()
    done = it.take(GOOD, GOOD)
    assert not done.called
    assert len(it.ingest.take()) == 2
    assert done.called


def test_a_record_that_cannot_be_read_costs_itself() -> None:
    it = Fixture()
    it.take(b"no", GOOD, b"{}")
    assert len(it.ingest.take()) == 1
    assert it.ingest.rejected == ["not JSON", "no original_topic"]


def test_records_that_are_offered_again_are_read_once() -> None:
    it = Fixture()
    records = [ConsumerRecord(0, 7 + n, b"", value, None) for n, value in enumerate((b"no", GOOD))]
    for _ in range(2):
        failed = it.consumer.take(records)
        it.ingest.refuse(TelegramsRefused("full"))
        failed.addErrback(lambda failure: failure.trap(TelegramsRefused))
    taken = it.consumer.take(records)
    assert len(it.ingest.take()) == 1 and taken.called
    assert it.ingest.rejected == ["not JSON"]
    it.take(b"no")
    assert it.ingest.rejected == ["not JSON"] * 2


def test_others_get_their_turn_between_records_that_take_long() -> None:
    did: list[str] = []

    def read(message: Incoming, remark: Remark) -> list[Telegram]:
        it.clock.rightNow += TURN
        it.clock.callLater(0, did.append, "other")
        did.append("read")
        return [telegram(int(message.payload))]

    it = Fixture([Form("slow", lambda levels: True, read)])
    done = it.take(*(b'{"original_topic": "a", "payload": %d}' % number for number in range(3)))
    it.clock.advance(0)
    assert did == ["read", "other", "read", "other", "read", "other"]
    assert [each.id for each in it.ingest.take()] == [f"telegram-{number}" for number in range(3)]
    assert done.called


def test_nothing_to_keep_is_taken_at_once() -> None:
    it = Fixture()
    assert it.take(b"", b'{"kind": "sensor-status", "payload": {}}').called
    assert it.ingest.offered == []
    assert it.ingest.rejected == []


def test_a_record_that_nobody_thought_of_costs_itself(expected_errors: list[Any]) -> None:
    def read(message: Any, remark: Any) -> Any:
        raise ZeroDivisionError

    it = Fixture([Form("broken", lambda levels: True, read)])
    assert it.take(GOOD, GOOD).called
    assert it.ingest.rejected == ["an internal error", "an internal error"]
    assert len(expected_errors) == 1
    expected_errors.clear()


def test_trouble_start_and_stop_are_the_consumers() -> None:
    it = Fixture()
    it.consumer.trouble = "away"
    it.source.stop()
    assert (it.source.trouble, it.consumer.did) == ("away", ["start", "stop"])


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "find_spec", lambda name: None)
    [(level, text)] = KafkaSourceFactory().check({})
    assert level == "error" and "bssci[kafka]" in text
    with pytest.raises(ValueError, match=r"bssci\[kafka\]"):
        KafkaSourceFactory().build({}, None)


def test_a_record_that_names_no_topic_stands_at_that_of_kafka_and_its_key() -> None:
    source = KafkaSource(Clock(), lambda: AT, Consumer, (), "energy")  # type: ignore[arg-type]
    record = ConsumerRecord(0, 7, b"hall/3", b"{}", None)
    assert source._place_of(record) == "energy/hall_3"
    assert source._place_of(record._replace(key=b"")) == "energy"
