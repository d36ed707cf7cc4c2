"""The embedded broker: a child process that starts, serves, dies and returns."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from unittest.mock import Mock

import pytest
import pytest_twisted
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from bssci.mqtt import client as client_module
from bssci.mqtt import embedded
from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from bssci.mqtt.embedded import BrokerFailed, EmbeddedBroker

pytest.importorskip("amqtt", reason="needs amqtt: pip install bssci[broker]")
pytestmark = pytest.mark.parts


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def broker(port, failures):
    broker = EmbeddedBroker(reactor, port, failures.append)
    yield broker
    pytest_twisted.blockon(broker.stop())


async def online(port: int, **settings) -> tuple[MqttClient, list[tuple[str, bytes, bool]], Deferred]:
    """A connected client, what it receives, and what fires at the first of that."""
    up, first, messages = Deferred(), Deferred(), []

    def received(message) -> None:
        messages.append(tuple(message[:3]))
        if not first.called:
            first.callback(None)

    client = MqttClient(
        reactor,
        MqttSettings(host="127.0.0.1", port=port, **settings),
        on_online=lambda: up.called or up.callback(None),
        on_offline=lambda reason: None,
        on_message=received,
    )
    client.start()
    await up.addTimeout(10, reactor)
    return client, messages, first


async def test_it_serves_what_the_sink_needs(broker, port):
    await broker.start()
    client, _, _ = await online(port)
    await client.publish([Publication("state/a", b"retained", retain=True)])
    watcher, messages, first = await online(port)
    watcher.subscribe(["state/+"])
    await first.addTimeout(10, reactor)
    assert messages[0] == ("state/a", b"retained", True)
    await watcher.stop()
    await client.stop()


async def test_a_new_client_gets_nothing_that_only_others_want(broker, port):
    await broker.start()
    client, _, first = await online(port)
    client.subscribe(["state/#"])
    await client.publish([Publication("state/a", b"for others", retain=True)])
    await first.addTimeout(10, reactor)
    newcomer, messages, heard = await online(port)
    newcomer.subscribe(["own/#"])
    await client.publish([Publication("own/b", b"mine")])
    await heard.addTimeout(10, reactor)
    assert messages == [("own/b", b"mine", False)]
    await newcomer.stop()
    await client.stop()


async def test_it_publishes_the_will(broker, port):
    await broker.start()
    watcher, messages, first = await online(port)
    watcher.subscribe(["status"])
    client, _, _ = await online(port, will=("status", b"gone"))
    client._connection.abort("test")
    await client.stop()
    await first.addTimeout(10, reactor)
    assert messages[0][:2] == ("status", b"gone")
    await watcher.stop()


async def test_a_taken_port_is_named(port, failures):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        broker = EmbeddedBroker(reactor, port, failures.append)
        with pytest.raises(BrokerFailed, match=f"port {port} .* set MQTT_PORT"):
            await broker.start()
    await broker.stop()
    assert failures == []


async def test_a_missing_amqtt_is_named(port, failures, tmp_path, monkeypatch):
    (tmp_path / "amqtt.py").write_text("raise ImportError('No module named amqtt')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BrokerFailed, match=r"pip install bssci\[broker\]"):
        await EmbeddedBroker(reactor, port, failures.append).start()


async def test_it_is_started_again_when_it_dies(port, monkeypatch):
    monkeypatch.setattr(embedded, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.1)
    failed = Deferred()
    broker = EmbeddedBroker(reactor, port, failed.callback)
    await broker.start()
    broker._child._process.signalProcess("KILL")
    assert await failed.addTimeout(10, reactor) == "the embedded broker was ended by signal 9"
    client, _, _ = await online(port)
    await client.stop()
    await broker.stop()


async def test_it_is_killed_if_it_does_not_end(broker, monkeypatch):
    monkeypatch.setattr(embedded, "TERM_TIMEOUT", 0.1)
    await broker.start()
    process = broker._child._process.pid
    os.kill(process, signal.SIGSTOP)
    await broker.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_what_it_said_before_a_pause_is_heard_after_its_time(monkeypatch):
    # After a pause of this process, timers that are due come first.
    clock = task.Clock()
    monkeypatch.setattr(clock, "spawnProcess", Mock(), raising=False)
    child = embedded._Child(clock, 1)
    clock.advance(embedded.START_TIMEOUT)
    child.outReceived(b"ready\n")
    assert child.ready.called


async def test_stopping_what_never_started(broker, failures):
    assert await broker.stop() is None
    assert failures == []


def child(port: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", "bssci.mqtt.broker_process", "--port", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def test_the_child_ends_with_its_parent(port):
    with child(port) as process:
        process.stdin.close()
        assert process.wait(5) == 0


def test_ctrl_c_is_left_to_the_parent(port):
    with child(port) as process:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.terminate()
        assert process.wait(5) == 0


def test_the_child_listens_on_the_loopback_only(port):
    with child(port) as process, socket.socket() as probe:
        # 127.0.0.2 is this machine as well, and would answer if it listened everywhere.
        assert probe.connect_ex(("127.0.0.2", port)) != 0
        process.terminate()
