"""The sink before a real mosquitto that does not take everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.task import deferLater

from bssci.model import EUI
from bssci.mqtt import client as client_module
from bssci.mqtt.client import MqttClient, MqttOffline, MqttSettings
from bssci.sinks.mqtt import echo as echo_module
from bssci.sinks.mqtt.settings import NAMES
from bssci.sinks.mqtt.sink import MqttSink
from tests.support.journal import uplink
from tests.support.mosquitto import Mosquitto, mosquitto
from tests.support.settings import settings_of

__all__ = ["mosquitto"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto]

Start = Callable[..., Mosquitto]


class Center:
    eui = EUI("0200000000000001")
    version = "1.0"
    started_at = 5.0
    journal = SimpleNamespace()
    configuration = SimpleNamespace(watch=lambda names, watcher: lambda: None)

    def now(self) -> float:
        return 5.0

    def unanswered_requests(self) -> list[Any]:
        return []

    def station_states(self) -> list[Any]:
        return []

    def watch_stations(self, watcher: Any) -> Callable[[], None]:
        return lambda: None

    def health(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def make_sink(monkeypatch: pytest.MonkeyPatch):
    """Builds sinks, ended with the test."""
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_DELAY", 0.1)
    monkeypatch.setattr(echo_module, "ECHO_TIME", 0.3)
    sinks: list[MqttSink] = []

    def make(broker: Mosquitto, **options: str) -> MqttSink:
        given = {"mqtt-broker": broker.host, "mqtt-port": str(broker.port)} | {
            name.replace("_", "-"): value for name, value in options.items()
        }
        settings = settings_of(given)
        sinks.append(MqttSink(reactor, {name: settings.value(name) for name in NAMES}, Center()))
        sinks[-1].start()
        return sinks[-1]

    yield make
    for sink in sinks:
        pytest_twisted.blockon(sink.stop())


async def watch(broker: Mosquitto) -> tuple[MqttClient, DeferredQueue]:
    """What arrives of uplinks at another client."""
    messages, online = DeferredQueue(), Deferred()
    client = MqttClient(
        reactor,
        MqttSettings(host=broker.host, port=broker.port),
        on_online=lambda: online.callback(None),
        on_offline=lambda reason: None,
        on_message=lambda message: messages.put(json.loads(message.payload)["cnt"]),
    )
    client.start()
    await online
    client.subscribe(["mioty/ep/+/ul"])
    await deferLater(reactor, 0.2)
    return client, messages


@pytest_twisted.ensureDeferred
async def test_a_broker_that_drops_what_it_acknowledges_is_not_delivered_to(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=["topic read #"]))
    delivery = sink.deliver([uplink(1)])
    await deferLater(reactor, 1.0)
    assert not delivery.called
    assert "did not send it back" in sink.trouble
    delivery.addErrback(lambda failure: failure.trap(MqttOffline))


@pytest_twisted.ensureDeferred
async def test_a_user_that_may_not_read_can_be_told_so(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=["topic write #"]), mqtt_confirm="false")
    await sink.deliver([uplink(1)]).addTimeout(5, reactor)
    assert sink.trouble == ""


@pytest_twisted.ensureDeferred
async def test_a_message_above_the_size_that_the_broker_takes_is_set_aside(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = mosquitto(more=["max_packet_size 2000"])
    watcher, messages = await watch(broker)
    sink = make_sink(broker)
    batch = [uplink(number, payload=bytes(3000 if number == 7 else 5)) for number in range(20)]
    losses = 0
    while True:
        try:
            await sink.deliver(batch).addTimeout(10, reactor)
        except MqttOffline:
            losses += 1
            assert losses < 10
        else:
            break
    seen = set()
    while seen != set(range(20)) - {7}:
        seen.add(await messages.get().addTimeout(5, reactor))
    assert sink.set_aside.count == 1 and "bytes" in sink.set_aside.last_reason
    await watcher.stop()
