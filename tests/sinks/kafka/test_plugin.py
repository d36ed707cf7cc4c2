from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from bssci.kafka import settings as kafka
from bssci.sinks.kafka.plugin import KafkaSinkFactory
from bssci.sinks.kafka.sink import KafkaSink
from tests.support.settings import settings_of


def test_it_builds_a_sink() -> None:
    pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install bssci[kafka]")
    settings = settings_of(environ={"SINKS": "kafka"})
    center = SimpleNamespace(configuration=SimpleNamespace(current=settings))
    sink = KafkaSinkFactory(Clock).build(settings.values(), center)
    assert isinstance(sink, KafkaSink)


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "find_spec", lambda name: None)
    [(level, text)] = KafkaSinkFactory(Clock).check({})
    assert level == "error" and "bssci[kafka]" in text
    with pytest.raises(ValueError, match=r"bssci\[kafka\]"):
        KafkaSinkFactory(Clock).build({}, None)
