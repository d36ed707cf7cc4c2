"""Scanners at a real broker: what they send is kept once, whatever moment the service is killed in."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater

from bssci.model import Telegram, decode_event
from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from tests.e2e.subscriber import Subscriber
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.service import ServiceProcess, until
from tests.support.telegrams import ADDRESS, advertisement, as_json

__all__ = ["mosquitto"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto]
STRANGER = "11:22:33:44:55:66"
KILLER = """
import os, signal
from pathlib import Path
from bssci.mqtt.engine import Engine

acknowledge = Engine.acknowledge
def dying(engine, packet_id):
    if Path("die").exists():
        Path("die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    acknowledge(engine, packet_id)
Engine.acknowledge = dying
"""
"""Read by Python as it starts: the process ends between the journal's commit and the PUBACK."""


class Scanner:
    """Publishes advertisements with QoS 1, as a scanner does."""

    def __init__(self, port: int) -> None:
        nothing: Callable[..., Any] = lambda *arguments: None  # noqa: E731
        self.client = MqttClient(
            reactor,
            MqttSettings(port=port, client_id="scanner-roof"),
            on_online=nothing, on_offline=nothing, on_message=nothing,
        )  # fmt: skip
        self.client.start()
        self.sent = 0

    async def reach(self, subscriber: Subscriber) -> None:
        """Wait until the service has subscribed: what is published from here on comes to it."""
        await until(lambda: self.client.online)
        while not subscriber.on(f"device/ble:{STRANGER}/ul"):
            body = advertisement(device={"address": STRANGER})
            await self.client.publish([Publication("bt-mqtt/raw/cellar", as_json(body))])
            await deferLater(reactor, 0.1)

    async def send(self, count: int) -> None:
        await until(lambda: self.client.online)
        bodies = [advertisement(number) for number in range(self.sent, self.sent + count)]
        self.sent += count
        await self.client.publish([Publication("bt-mqtt/raw/roof", as_json(body)) for body in bodies])


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto(more=["max_queued_messages 10000"])


@pytest.fixture
def service(tmp_path: Path, broker: Mosquitto) -> Iterator[ServiceProcess]:
    service = ServiceProcess(
        tmp_path / "service",
        SINKS="mqtt,log", MQTT_PORT=broker.port, SOURCES="mqtt", SOURCE_MQTT_PORT=broker.port,
    )  # fmt: skip
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "sitecustomize.py").write_text(KILLER)
    service.extra_path.append(tmp_path / "extra")
    yield service
    service.end()


def kept(service: ServiceProcess) -> list[Telegram]:
    """The journal's telegrams, of a service that is down."""
    with closing(sqlite3.connect(service.directory / "data" / "journal.sqlite")) as connection:
        rows = connection.execute("SELECT body FROM event WHERE kind = 'telegram' ORDER BY seq").fetchall()
    return [decode_event(body) for (body,) in rows]


async def test_an_advertisement_comes_out_decoded(service: ServiceProcess, broker: Mosquitto) -> None:
    await service.start()
    subscriber, scanner = Subscriber(broker.port), Scanner(broker.port)
    await subscriber.online()
    await scanner.reach(subscriber)
    await scanner.send(1)
    topic = f"device/ble:{ADDRESS}/ul"
    await until(lambda: bool(subscriber.on(topic)))
    [said] = subscriber.on(topic)
    assert said["components"]["temperature"] == {"value": 20.0, "unit": "°C"}
    assert (said["gateway"], said["rssi"]) == ("roof", -71)
    await subscriber.stop()
    await scanner.client.stop(0.5)
    await service.stop()


async def test_a_kill_between_journal_and_acknowledgement_loses_nothing_and_doubles_nothing(
    service: ServiceProcess, broker: Mosquitto
) -> None:
    await service.start()
    subscriber, scanner = Subscriber(broker.port), Scanner(broker.port)
    await subscriber.online()
    await scanner.reach(subscriber)
    await scanner.send(200)
    for _ in range(3):
        (service.directory / "die").touch()
        await scanner.send(100)
        await until(lambda: service._process is not None and service._process.poll() is not None)
        await scanner.send(100)
        await service.start()
    topic = f"device/ble:{ADDRESS}/ul"
    await until(lambda: len({said["id"] for said in subscriber.on(topic)}) == scanner.sent)
    await subscriber.stop()
    await scanner.client.stop(0.5)
    await service.stop()
    counts = Counter(each.envelope["timestamp"] for each in kept(service) if each.gateway == "roof")
    assert len(counts) == scanner.sent == 800
    assert set(counts.values()) == {1}
