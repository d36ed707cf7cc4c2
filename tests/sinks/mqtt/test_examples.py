"""The examples of docs/mqtt.md, held against what a real broker hands out of each message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import LoopingCall, deferLater

from bssci.center.access import Access
from bssci.model.commands import Actor
from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from bssci.mqtt.values import Received
from bssci.sinks.mqtt.refusals import topic_kind
from bssci.sinks.mqtt.settings import NAMES
from bssci.sinks.mqtt.sink import MqttSink
from bssci.sinks.testing_events import every_event
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.sinks.mqtt.mqtt_site import ONE, Site, make_house, site
from tests.support.settings import settings_of
from tests.web.api.contracts import channel_of, faults

__all__ = ["make_house", "mosquitto", "site"]

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "mqtt.md"
_EXAMPLE = re.compile(r"```json\n// (\S+)\n(.*?)```", re.S)
"""topic in a comment, then the payload"""


def documented() -> dict[str, list[Any]]:
    """The examples by the kind of their topics."""
    found: dict[str, list[Any]] = {}
    for topic, payload in _EXAMPLE.findall(DOCUMENT.read_text()):
        found.setdefault(_kind(topic), []).append(json.loads(payload))
    return found


def _kind(topic: str) -> str:
    kind = topic_kind(topic)
    kind = re.sub(r"^mioty/device/.*/ul$", "mioty/device/+/ul", kind)
    kind = re.sub(r"^mioty/alarm/.*$", "mioty/alarm/+", kind)
    kind = re.sub(r"^mioty/gateway/.*$", "mioty/gateway/+/+/state", kind)
    return re.sub(r"^homeassistant/(\w+)/bssci_\w+/\w+/config$", r"homeassistant/\1/+/+/config", kind)


def shape(value: Any) -> Any:
    """The names of the fields and the types of the values; of settings only that there are some."""
    if isinstance(value, dict):
        return {name: shape(each) if name != "settings" else bool(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__


class Station:
    """A service center with an MQTT sink before a real broker, and another client that listens.

    :ivar seen: what came, by topic, newest last.
    """

    def __init__(self, site: Site, broker: Mosquitto, **options: str) -> None:
        given = {"mqtt-broker": broker.host, "mqtt-port": str(broker.port)}
        given |= {name.replace("_", "-"): value for name, value in options.items()}
        settings = settings_of(given)
        access = Access(site.house.center, Actor("mqtt", "mqtt"))
        self.sink = MqttSink(reactor, {name: settings.value(name) for name in NAMES}, access)
        self.seen: dict[str, list[Received]] = {}
        self.online: Deferred[None] = Deferred()
        self.client = MqttClient(
            reactor,
            MqttSettings(host=broker.host, port=broker.port, version="5"),
            on_online=lambda: self.online.callback(None),
            on_offline=lambda reason: None,
            on_message=self._heard,
        )
        self.ticking = LoopingCall(site.house.settle)

    def _heard(self, message: Received) -> None:
        self.seen.setdefault(message.topic, []).append(message)

    async def start(self) -> None:
        self.client.start()
        await self.online
        self.client.subscribe(["#"])
        await deferLater(reactor, 0.2)
        self.ticking.start(0.02)
        self.sink.start()
        await self.until("mioty/service/status")

    async def until(self, topic: str, count: int = 1) -> list[Any]:
        """The payloads on a topic, as soon as there are so many."""
        for _ in range(500):
            if len(self.seen.get(topic, ())) >= count:
                return [json.loads(each.payload) for each in self.seen[topic]]
            await deferLater(reactor, 0.02)
        raise AssertionError(f"{topic}: there are {sorted(self.seen)}")

    async def ask(self, topic: str, payload: bytes = b"") -> None:
        await self.client.publish([Publication(topic, payload)])

    async def stop(self) -> None:
        await self.sink.stop()
        self.ticking.stop()
        await self.client.stop()


@pytest.fixture
def make_station(site: Site, mosquitto: Callable[..., Mosquitto]) -> Iterator[Callable[..., Station]]:  # noqa: F811
    made: list[Station] = []

    def make(**options: str) -> Station:
        made.append(Station(site, mosquitto(), **options))
        return made[-1]

    yield make
    for each in made:
        pytest_twisted.blockon(ensureDeferred(each.stop()))


async def capture(station: Station) -> dict[str, list[Any]]:
    """Every message of a service, by the kind of its topic."""
    await station.start()
    await station.sink.deliver(every_event()).addTimeout(20, reactor)
    station.sink._publish_health()
    await station.ask("mioty/config/get")
    await station.ask("mioty/bs/CAFE000000000001/vm/cmd", b'{"command": "activate", "macType": "x"}')
    for topic in ("health_check", "config/response", "bs/CAFE000000000001/vm/response"):
        await station.until(f"mioty/{topic}")
    found: dict[str, list[Any]] = {}
    for topic, messages in station.seen.items():
        payloads = [json.loads(each.payload) for each in messages if each.payload]
        found.setdefault(_kind(topic), []).extend(payloads)
    return found


OURS = re.compile(r"mioty/(?!config/get|.*/cmd$)|homeassistant/")


@pytest.mark.parts
@pytest.mark.mosquitto
@pytest.mark.parametrize("profile", ["native", "acmqtti"])
@pytest_twisted.ensureDeferred
async def test_every_example_is_what_the_broker_hands_out(
    make_station: Callable[..., Station],
    site: Site,
    profile: str,  # noqa: F811
) -> None:
    station = make_station(mqtt_profile=profile, mqtt_homeassistant="true")
    captured = await capture(station)
    described = {topic: channel_of(topic) for topic in station.seen if OURS.match(topic)}
    for topic, channel in described.items():
        for payload in (json.loads(each.payload) for each in station.seen[topic] if each.payload):
            assert faults(channel.schema, payload) == [], topic
    examples = documented()
    layout = {"native": "mioty/ep/+/ul", "acmqtti": "mioty/+/+/uplink"}
    missing = {kind for kind in captured if OURS.match(kind)} - examples.keys()
    assert missing == set()
    for kind, payloads in examples.items():
        if kind in layout.values() and kind != layout[profile]:
            assert kind not in captured
            continue
        shapes = [shape(each) for each in captured[kind]]
        for example in payloads:
            assert shape(example) in shapes, f"{kind}: {example}"


@pytest.mark.parts
@pytest.mark.mosquitto
@pytest_twisted.ensureDeferred
async def test_a_request_by_mqtt_5_is_answered_where_it_wants(
    make_station: Callable[..., Station],
    site: Site,  # noqa: F811
) -> None:
    """As mosquitto_rr asks; properties of what is published by the way."""
    station = make_station(mqtt_version="5")
    await station.start()
    client = station.client
    assert client._connection is not None
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic, properties.CorrelationData = "answers/1", b"\x00seven"
    properties.MessageExpiryInterval = 60
    client._connection._engine.publish(f"mioty/ep/{ONE}/cmd", b"status", 1, False, properties)
    client._connection._wake()
    [event] = [e async for e in _final(site)]
    await station.sink.deliver([event]).addTimeout(5, reactor)
    [answer] = await station.until("answers/1")
    assert (answer["status"], answer["command"]) == ("done", "status")
    [message] = station.seen["answers/1"]
    assert message.reply is not None and message.reply.correlation == b"\x00seven"


async def _final(site: Site) -> Any:  # noqa: F811
    for _ in range(500):
        final = [each for each in site.answers() if each.status == "done"]
        if final:
            yield final[-1]
            return
        await deferLater(reactor, 0.02)


@pytest.mark.parts
@pytest.mark.mosquitto
@pytest_twisted.ensureDeferred
async def test_a_broker_forgets_the_announcements_of_a_sensor_that_is_removed(
    make_station: Callable[..., Station],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    station = make_station(mqtt_homeassistant="true")
    await station.start()
    await station.sink.deliver(every_event()).addTimeout(20, reactor)
    await station.until("mioty/ep/70B3D56770110001/dl/reception")
    discovery = station.sink._discovery
    assert discovery is not None
    monkeypatch.setattr(discovery, "_sensor", lambda eui: None)
    discovery.look()
    announced = [topic for topic in station.seen if topic.startswith("homeassistant/")]
    assert len(announced) == 7
    for _ in range(500):
        if not any(station.seen[topic][-1].payload for topic in announced):
            break
        await deferLater(reactor, 0.02)
    assert not any(station.seen[topic][-1].payload for topic in announced)
