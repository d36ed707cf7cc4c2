"""The sink before a broker in memory, with a service center that it asks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bssci.journal.records import StoredRequest
from bssci.model import EUI, GatewayState, Sensor, StationState, parse_sensor
from bssci.mqtt import payloads
from bssci.mqtt.client import MqttClient
from bssci.sinks.mqtt import own_broker
from bssci.sinks.mqtt import sink as sink_module
from bssci.sinks.mqtt.settings import NAMES
from bssci.sinks.mqtt.sink import MqttSink
from tests.mqtt.memory_broker import FakeBroker, Kind
from tests.support.center import sensor_entry
from tests.support.journal import uplink
from tests.support.settings import settings_of

STATION = EUI("CAFE000000000001")


def state(which: Any, at: float = 1.0) -> StationState:
    return StationState(at=at, base_station_eui=STATION, state=which)


class Center:
    """What the sink asks of a service center."""

    eui = EUI("0200000000000001")
    version = "1.2.3"
    started_at = 5.0

    def __init__(self) -> None:
        self.states = [state("offline")]
        self.gateways: list[GatewayState] = []
        self.watchers: list[Any] = []
        self.of_forgotten: list[Any] = []
        self.announced: list[str] = []
        self.configuration = SimpleNamespace(watch=lambda names, watcher: lambda: None)
        self.journal = SimpleNamespace()
        self.unanswered: list[StoredRequest] = []

    def now(self) -> float:
        return 7.0

    def sensor(self, eui: EUI) -> Sensor:
        return parse_sensor(sensor_entry(eui=eui))

    def unanswered_requests(self) -> list[StoredRequest]:
        return self.unanswered

    def gateway_states(self) -> list[GatewayState]:
        return self.gateways

    def station_states(self) -> list[StationState]:
        return self.states

    def station_state(self, eui: str) -> StationState | None:
        return next((each for each in self.states if each.base_station_eui == eui), None)

    def watch_stations(self, watcher):
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def gateway_state(self, kind: str, id: str) -> GatewayState | None:
        return next((each for each in self.gateways if (each.gateway_kind, each.gateway) == (kind, id)), None)

    def watch_forgotten(self, watcher):
        self.of_forgotten.append(watcher)
        return lambda: self.of_forgotten.remove(watcher)

    def announce(self, topic: str, payload: bytes) -> None:
        self.announced.append(topic)

    def health(self) -> dict[str, Any]:
        return {"status": "ok", "timestamp": 0.0}

    def change(self, now: StationState) -> None:
        self.states = [now]
        for watcher in self.watchers:
            watcher(now)


class Broker:
    """An embedded broker that starts as told."""

    def __init__(self) -> None:
        self.starts: list[Deferred[None]] = []
        self.stopped = False

    def start(self) -> Deferred[None]:
        return self.starts.pop(0)

    def stop(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)


class SinkHouse:
    """A sink with its clock, broker and center."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
        self.clock, self.broker, self.center, self.embedded = Clock(), FakeBroker(), Center(), Broker()
        monkeypatch.setattr(
            sink_module, "MqttClient", lambda *a, **k: MqttClient(*a, **k, connect=self.broker.connect)
        )
        monkeypatch.setattr(own_broker, "EmbeddedBroker", lambda *arguments: self.embedded)
        settings = settings_of(options)
        values = {name: settings.value(name) for name in NAMES}
        self.sink = MqttSink(self.clock, values, self.center)

    def accept(self, *, echo: bool = True, remembered: bool = False) -> None:
        """The broker accepts the connection, and sends back the birth message if it is allowed to.

        :param remembered: it has kept the session.
        """
        self.clock.advance(0)
        self.broker.send(Kind.CONNACK, bytes([remembered, 0]))
        self.clock.advance(0)
        if len(self.broker.wires) > 1:
            # Where the last connection ended without an answer, they are asked for in turn, and first.
            while self.broker.grant():
                self.clock.advance(0)
        if echo:
            self.echo()

    def birth(self) -> bytes:
        return payloads.service_status("mioty", "online", "1.2.3", 5.0).payload

    def echo(self) -> None:
        self.broker.publish("mioty/service/status", self.birth())

    def published(self) -> list[tuple[str, Any, bool]]:
        """Topic, payload and whether it is to be retained, of what the client sent since the last call."""
        self.clock.advance(0)
        sent = [packet for packet in self.broker.packets() if packet.kind is Kind.PUBLISH]
        self.broker.acknowledge(*(packet.publish[2] for packet in sent))
        for packet in sent:
            if packet.publish[0].endswith("/ul"):
                self.broker.publish(packet.publish[0], packet.publish[1])
        return [
            (
                packet.publish[0].removeprefix("mioty/"),
                json.loads(packet.publish[1]) if packet.publish[1] else None,
                bool(packet.flags & 1),
            )
            for packet in sent
        ]

    def deliver(self, *counters: int) -> list[object]:
        outcome: list[object] = []
        self.sink.deliver([uplink(counter) for counter in counters]).addBoth(outcome.append)
        return outcome
