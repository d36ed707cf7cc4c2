"""What ``bssci check`` says of real brokers."""

from __future__ import annotations

import pytest

from tests.kafka.broker import KafkaBroker

pytestmark = pytest.mark.parts
pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
from bssci.kafka import trial  # noqa: E402


def test_a_broker_and_its_topics_are_told() -> None:
    with KafkaBroker() as broker:
        broker.make_topic("raw", 4)
        found = list(trial.findings({"bootstrap.servers": broker.servers}, ["raw", "missing"]))
    assert found[0] == ("ok", f"kafka: connected to {broker.servers}, brokers: 1")
    assert found[1] == ("ok", "kafka: topic raw, partitions: 4")
    level, text = found[2]
    assert level == "warning" and "there is no topic missing" in text


def test_a_broker_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 0.5)
    [(level, text)] = trial.findings({"bootstrap.servers": "127.0.0.1:1"}, ["raw"])
    assert level == "error" and "127.0.0.1:1" in text
