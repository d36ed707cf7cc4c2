"""The sinks that come with the service, and the example of its documentation, before the kit for all."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from bssci.model import EUI
from bssci.mqtt.client import MqttClient
from bssci.sinks.log import LogSink
from bssci.sinks.mqtt import sink as mqtt_module
from bssci.sinks.mqtt.settings import NAMES
from bssci.sinks.testing import SinkBench, SinkConformance, reception, uplink
from tests.mqtt.memory_broker import FakeBroker, Kind
from tests.support.settings import settings_of

EXAMPLE = Path(__file__).parents[2] / "examples/bssci-csv-sink/bssci/plugins/csv_file.py"


class LogBench(SinkBench):
    def make_sink(self) -> LogSink:
        return LogSink()


class TestLog(SinkConformance):
    @pytest.fixture
    def bench(self) -> SinkBench:
        return LogBench()


class CsvBench(SinkBench):
    def __init__(self, folder: Path) -> None:
        spec = importlib.util.spec_from_file_location("csv_file_example", EXAMPLE)
        assert spec is not None and spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._file = folder / "out" / "uplinks.csv"
        self._file.parent.mkdir()

    def make_sink(self) -> Any:
        return self._module.CsvSink(self._file)

    def received(self) -> Sequence[str]:
        if not self._file.exists():
            return []
        csv.field_size_limit(10_000_000)
        with self._file.open(newline="") as file:
            return [row["id"] for row in csv.DictReader(file)]

    def break_other_side(self) -> None:
        self._file.parent.rename(self._file.parent.with_name("away"))

    def mend_other_side(self) -> None:
        shutil.move(self._file.parent.with_name("away"), self._file.parent)


class TestCsvExample(SinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SinkBench:
        return CsvBench(tmp_path)


class MqttBench(SinkBench):
    """A broker in memory that acknowledges all that comes, and time that goes on by quarters of a second."""

    secrets = ("Pa55word",)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self._broker = FakeBroker()
        self._received: list[str] = []
        monkeypatch.setattr(
            mqtt_module, "MqttClient", lambda *a, **k: MqttClient(*a, **k, connect=self._broker.connect)
        )

    def make_sink(self) -> Any:
        options = {"mqtt-username": "user", "mqtt-password": "Pa55word"}
        settings = settings_of(options)
        values = {name: settings.value(name) for name in NAMES}
        center = SimpleNamespace(
            eui=EUI("0200000000000001"),
            version="1.0",
            started_at=1.0,
            station_states=list,
            gateway_states=list,
            watch_stations=lambda watcher: lambda: None,
            watch_forgotten=lambda watcher: lambda: None,
            health=dict,
            configuration=SimpleNamespace(watch=lambda names, watcher: lambda: None),
            journal=SimpleNamespace(),
            now=lambda: 1.0,
            unanswered_requests=list,
        )
        return mqtt_module.MqttSink(self.clock, values, center)

    def received(self) -> Sequence[str]:
        return self._received

    def break_other_side(self) -> None:
        self._broker.absent = True
        if self._broker.wires:
            self._broker.drop()

    def mend_other_side(self) -> None:
        self._broker.absent = False

    def refused_event(self) -> Any:
        return uplink(77, receptions=[reception(77, profile="half a character \ud800")])

    def turn(self) -> None:
        self.clock.advance(0.25)
        if not self._broker.wires or self._broker.wire.closed:
            return
        for packet in self._broker.packets():
            if packet.kind is Kind.CONNECT:
                self._broker.accept()
            elif packet.kind is Kind.PINGREQ:
                self._broker.send(Kind.PINGRESP, b"")
            elif packet.kind is Kind.PUBLISH:
                topic, payload, packet_id = packet.publish
                if topic.endswith("/ul") and "/ep/" in topic:
                    self._received.append(json.loads(payload)["id"])
                self._broker.acknowledge(packet_id)
                if topic.endswith(("/service/status", "/ul")) and len(payload) < 10_000:
                    # The sink subscribes to what shows that its messages come through.
                    self._broker.publish(topic, payload)


class TestMqtt(SinkConformance):
    @pytest.fixture
    def bench(self, monkeypatch: pytest.MonkeyPatch) -> SinkBench:
        return MqttBench(monkeypatch)
