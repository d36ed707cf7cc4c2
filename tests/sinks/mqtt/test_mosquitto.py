"""The client against a real broker."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import DeferredQueue

from bssci.mqtt import client as client_module
from bssci.mqtt.client import MqttClient, MqttOffline, MqttSettings, Publication
from bssci.mqtt.connection import MAXIMUM_PACKET
from tests.mqtt.mosquitto import Mosquitto, mosquitto  # noqa: F401
from tests.support.tls import tls_files  # noqa: F401

pytestmark = [pytest.mark.parts, pytest.mark.mosquitto]


class Queue(DeferredQueue):
    """What is not there after ten seconds never comes."""

    def get(self):
        return super().get().addTimeout(10, reactor)


class Watched:
    """A client whose callbacks can be waited for."""

    def __init__(self, settings: MqttSettings) -> None:
        self.online, self.offline, self.messages = Queue(), Queue(), Queue()
        self.client = MqttClient(
            reactor,
            settings,
            on_online=lambda: self.online.put(None),
            on_offline=self.offline.put,
            on_message=lambda message: self.messages.put(tuple(message[:3])),
        )


@pytest.fixture
def start():
    """Starts a client with the given settings and stops it after the test."""
    clients: list[MqttClient] = []

    def start(settings: MqttSettings) -> Watched:
        watched = Watched(settings)
        clients.append(watched.client)
        watched.client.start()
        return watched

    yield start
    for client in clients:
        pytest_twisted.blockon(client.stop(1.0))


@pytest.fixture
def quick(monkeypatch):
    """Attempts follow each other without much delay."""
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_DELAY", 0.1)


def at(broker: Mosquitto, **more) -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, **more)


def with_tls(broker: Mosquitto, tls_files, **more) -> MqttSettings:  # noqa: F811
    bundle = tls_files.station_bundle()
    return at(
        broker,
        tls=True,
        ca_file=str(tls_files.ca),
        cert_file=str(bundle / "station_cert.pem"),
        key_file=str(bundle / "station_key.pem"),
        **more,
    )


async def round_trip(watched: Watched, count: int = 300) -> None:
    """``count`` messages arrive, complete and in order, where they came from."""
    await watched.online.get()
    watched.client.subscribe(["t/+"])
    messages = [Publication(f"t/{number}", b"%d" % number * 50) for number in range(count)]
    await watched.client.publish(messages)
    for topic, payload, *_ in messages:
        assert await watched.messages.get() == (topic, payload, False)


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_message_makes_its_round_trip_over_tcp(mosquitto, start, qos):  # noqa: F811
    await round_trip(start(at(mosquitto(), qos=qos)))


async def test_by_host_name(mosquitto, start):  # noqa: F811
    await round_trip(start(replace(at(mosquitto()), host="localhost")))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_tls_with_a_client_certificate(mosquitto, start, tls_files, host):  # noqa: F811
    broker = mosquitto(tls=tls_files)
    await round_trip(start(replace(with_tls(broker, tls_files), host=host)))


async def test_a_message_makes_its_round_trip_over_websockets(mosquitto, start):  # noqa: F811
    await round_trip(start(at(mosquitto(websockets=True), transport="websockets")))


async def test_websockets_over_tls(mosquitto, start, tls_files):  # noqa: F811
    broker = mosquitto(websockets=True, tls=tls_files)
    await round_trip(start(with_tls(broker, tls_files, transport="websockets")))


async def test_username_and_password(mosquitto, start):  # noqa: F811
    broker = mosquitto(users={"center": "right"})
    await round_trip(start(at(broker, username="center", password="right")), 1)


async def refused(client: MqttClient) -> str:
    """Why the client's next attempt failed."""
    failed = Queue()
    retry = client._retry
    client._retry = lambda reason, **more: (retry(reason, **more), failed.put(reason))
    return await failed.get()


async def test_a_wrong_password_is_named(mosquitto, start):  # noqa: F811
    broker = mosquitto(users={"center": "right"})
    watched = start(at(broker, username="center", password="wrong"))
    assert await refused(watched.client) == "the broker refused the connection: Not authorized"
    await watched.client.reconfigure(at(broker, username="center", password="right"))
    await watched.online.get()


async def test_a_broker_of_another_ca_is_refused(mosquitto, start, tls_files):  # noqa: F811
    settings = replace(with_tls(mosquitto(tls=tls_files), tls_files), ca_file="")
    assert "certificate verify failed" in await refused(start(settings).client)


async def test_a_broker_of_another_name_is_refused(mosquitto, start, tls_files):  # noqa: F811
    files = SimpleNamespace(
        ca=tls_files.ca,
        certificate=tls_files.directory / "other_cert.pem",
        key=tls_files.directory / "other_key.pem",
    )
    tls_files.authority.issue("another host", files.certificate, files.key, host="elsewhere.example")
    reason = await refused(start(with_tls(mosquitto(tls=files), tls_files)).client)
    assert "another host name" in reason


async def test_a_client_without_a_certificate_is_refused(mosquitto, start, tls_files):  # noqa: F811
    settings = replace(with_tls(mosquitto(tls=tls_files), tls_files), cert_file="", key_file="")
    assert "certificate required" in await refused(start(settings).client)


async def test_websockets_to_a_plain_listener_fail(mosquitto, start):  # noqa: F811
    assert await refused(start(at(mosquitto(), transport="websockets")).client)


async def test_a_broker_stopped_and_started_again(mosquitto, start, quick):  # noqa: F811
    broker = mosquitto()
    watched = start(at(broker))
    await round_trip(watched, 1)
    broker.stop()
    assert "connection" in await watched.offline.get()
    with pytest.raises(MqttOffline):
        await watched.client.publish([Publication("t/x", b"lost")])
    broker.start()
    # The subscription is back, without being asked for again.
    await watched.online.get()
    await watched.client.publish([Publication("t/x", b"back")])
    assert await watched.messages.get() == ("t/x", b"back", False)
    assert watched.client.history.reconnects == 1


async def test_a_broker_killed_fails_what_it_has_not_acknowledged(mosquitto, start, quick):  # noqa: F811
    broker = mosquitto()
    watched = start(at(broker))
    await watched.online.get()
    published = watched.client.publish([Publication("t", b"x" * 1000)] * 5000)
    broker.kill()
    with pytest.raises(MqttOffline):
        await published
    await watched.offline.get()


async def test_will_and_farewell(mosquitto, start):  # noqa: F811
    broker = mosquitto()
    observer = start(at(broker))
    await observer.online.get()
    observer.client.subscribe(["status"])
    # With a session that is kept, the broker takes the second for the first that is back: no will.
    settings = at(broker, client_id="center", will=("status", b"gone"), qos=2)
    first, second = start(settings), Watched(settings)
    await first.online.get()
    second.client.start()
    # Of two clients with one id, the broker throws out the first.
    await first.offline.get()
    first.client.stop()
    assert await observer.messages.get() == ("status", b"gone", False)
    await second.online.get()
    await second.client.stop(last=Publication("status", b"offline", retain=True))
    assert await observer.messages.get() == ("status", b"offline", False)
    latecomer = start(at(broker))
    await latecomer.online.get()
    latecomer.client.subscribe(["status"])
    assert await latecomer.messages.get() == ("status", b"offline", True)


async def test_what_is_published_while_we_are_away_comes_with_the_next_connection(mosquitto, start):  # noqa: F811
    broker = mosquitto()
    settings = at(broker, client_id="center")
    first = Watched(settings)
    first.client.subscribe(["ep/+/cmd"])
    first.client.start()
    await first.online.get()
    await first.client.publish([Publication("ep/1/cmd", b"first")])
    assert await first.messages.get() == ("ep/1/cmd", b"first", False)
    await first.client.stop()
    other = start(at(broker))
    await other.online.get()
    await other.client.publish([Publication("ep/1/cmd", b"attach")])
    again = start(settings)
    assert await again.messages.get() == ("ep/1/cmd", b"attach", False)


async def test_many_messages_that_are_too_large_stop_nothing(mosquitto, start):  # noqa: F811
    broker = mosquitto()
    watched, skipped = start(at(broker, client_id="center")), []
    watched.client._on_skipped = lambda *message: skipped.append(message)
    watched.client.subscribe(["t/+"])
    await watched.online.get()
    # More than the broker has under way at a time.
    sender = start(at(broker))
    await sender.online.get()
    await sender.client.publish([Publication("t/large", bytes(MAXIMUM_PACKET + 1))] * 25)
    await sender.client.publish([Publication("t/small", b"1")])
    assert await watched.messages.get() == ("t/small", b"1", False)
    assert skipped == [("t/large", MAXIMUM_PACKET + 1, False)] * 25
    assert watched.client.history.reconnects == 0
