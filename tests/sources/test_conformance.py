"""Every source keeps the contract of sources."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from bssci.mqtt.client import MqttClient
from bssci.sources.mqtt import source as mqtt_module
from bssci.sources.testing import SourceBench, SourceConformance
from tests.mqtt.memory_broker import FakeBroker, Kind, packet
from tests.support.telegrams import AT, advertisement, as_json, settings_of

ROOT = Path(__file__).parent.parent.parent


class MqttBench(SourceBench):
    """A broker in memory that sends again what was not acknowledged, on each connection."""

    name = "mqtt"
    secrets = ("Pa55word",)

    def __init__(self) -> None:
        self.clock = Clock()
        self._broker = FakeBroker()
        self._unsent: list[tuple[int, bytes]] = []
        self._open: dict[int, bytes] = {}
        self._confirmed: set[int] = set()
        self._online = False

    def make_source(self) -> Any:
        settings = settings_of(SOURCES="mqtt", SOURCE_MQTT_USERNAME="u", SOURCE_MQTT_PASSWORD="Pa55word")
        values = {name: settings.value(name) for name in mqtt_module.NAMES}
        configuration = SimpleNamespace(watch=lambda names, watcher: lambda: None)
        center = SimpleNamespace(eui="0A", now=lambda: AT, configuration=configuration)

        def make_client(*arguments: Any, **callbacks: Any) -> MqttClient:
            return MqttClient(*arguments, **callbacks, connect=self._broker.connect)

        self._online = False
        return mqtt_module.MqttSource(self.clock, values, center, make_client)

    def send(self, number: int) -> None:
        self._unsent.append((number + 1, as_json(advertisement(number))))

    def confirmed(self) -> Collection[int]:
        return self._confirmed

    def send_nonsense(self) -> int:
        nonsense = (b"{", b"\xff\xfe", b"[]", b"", b'{"version": "9.0"}', as_json(advertisement(device=7)))
        self._unsent += [(1000 + number, payload) for number, payload in enumerate(nonsense)]
        return len(nonsense)

    def break_other_side(self) -> None:
        self._broker.absent = True
        self._online = False
        if self._broker.wires and not self._broker.wire.closed:
            self._broker.drop()

    def mend_other_side(self) -> None:
        self._broker.absent = False

    def turn(self) -> None:
        self.clock.advance(0.25)
        if not self._broker.wires or self._broker.wire.closed:
            self._online = False
            return
        for sent in self._broker.packets():
            if sent.kind is Kind.CONNECT:
                self._broker.accept()
                self._online = True
                self._unsent = [*((id, payload) for id, payload in self._open.items()), *self._unsent]
                self._open.clear()
            elif sent.kind is Kind.PINGREQ:
                self._broker.send(Kind.PINGRESP, b"")
            elif sent.kind is Kind.PUBACK:
                packet_id = int.from_bytes(sent.body[:2], "big")
                self._open.pop(packet_id, None)
                self._confirmed.add(packet_id - 1)
        if self._online:
            unsent, self._unsent = self._unsent, []
            for packet_id, payload in unsent:
                self._open[packet_id] = payload
                topic = b"bt-mqtt/raw/roof"
                body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", packet_id) + payload
                self._broker.receive(packet(Kind.PUBLISH, body, 2))


class TestMqtt(SourceConformance):
    @pytest.fixture
    def bench(self) -> SourceBench:
        return MqttBench()


class FolderBench(SourceBench):
    """The example: a file is confirmed when it is deleted."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent: set[int] = set()
        path = ROOT / "examples" / "bssci-folder-source" / "bssci" / "plugins" / "folder_source.py"
        spec = importlib.util.spec_from_file_location("folder_source", path)
        assert spec is not None and spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)

    def make_source(self) -> Any:
        return self._module.FolderSource(self._folder, 0.02)

    def send(self, number: int) -> None:
        draft = self._folder / "draft"
        draft.write_bytes(bytes([number % 256]))
        draft.rename(self._folder / f"meter.{number:06}.bin")
        self._sent.add(number)

    def confirmed(self) -> Collection[int]:
        return {number for number in self._sent if not (self._folder / f"meter.{number:06}.bin").exists()}


class TestFolderExample(SourceConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SourceBench:
        return FolderBench(tmp_path)
