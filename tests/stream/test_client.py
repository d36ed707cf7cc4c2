"""bssci.stream.client: the service, its restart, a bad token and a certificate of nobody's."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import Mock

import psycopg
import pytest
from paho.mqtt.client import WebsocketConnectionError

from bssci.stream.address import StreamError, read_address
from bssci.stream.client import ExitStatus, Watch, verifying
from tests.sinks.postgres.cluster import Database, database, postgres_cluster
from tests.support.running_service import QUICK, ROOT, RunningService

__all__ = ["database", "postgres_cluster"]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("live"), "--web-tls=true", rate=QUICK) as running:
        yield running


def command(service: RunningService, token: str, *more: str, ca: bool = True) -> list[str]:
    url = service.url.replace("https", "wss") + "/mqtt"
    file = service.directory / f"{token[-6:]}.token"
    file.write_text(token)
    trusted = ["--ca-file", str(service.ca_file)] if ca else []
    return [sys.executable, "-m", "bssci.cli", "watch", url, "--token-file", str(file), *trusted, *more]


@pytest.fixture
def unconnected() -> Watch:
    return Watch(read_address("ws://localhost:1/mqtt"), "", ["#"])


def test_a_stop_while_it_connects_is_not_forgotten(
    unconnected: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def connect(*_: object) -> None:
        unconnected.stop()
        calls.append("connect")

    monkeypatch.setattr(unconnected._client, "connect", connect)
    for name in ("disconnect", "loop_forever"):
        monkeypatch.setattr(unconnected._client, name, partial(calls.append, name))
    assert unconnected.run(Mock()) is ExitStatus.DONE
    assert calls == ["disconnect", "connect", "disconnect", "loop_forever"]


def no_tls() -> ssl.SSLError:
    """Return what a client of TLS gets from a server that answers in plain text."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(received, sent, server_hostname="localhost")
    received.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        client.do_handshake()
    return caught.value


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("ws://localhost:1/mqt", WebsocketConnectionError("WebSocket handshake error"), "its path is /mqtt"),
        ("ws://localhost:1", WebsocketConnectionError("WebSocket handshake error"), "begins with wss://"),
        ("wss://localhost:1", TimeoutError("_ssl.c:989: The handshake operation timed out"), "WEB_TLS=true"),
        ("wss://localhost:1", no_tls(), "no TLS is spoken there; without WEB_TLS=true"),
        ("ws://localhost:1", TimeoutError("timed out"), "timed out"),
        ("wss://localhost:1", TimeoutError(110, "Connection timed out"), "Connection timed out"),
        ("ws://localhost:1", ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_why_there_is_no_connection_is_said(
    monkeypatch: pytest.MonkeyPatch, url: str, error: Exception, said: str
) -> None:
    watch = Watch(read_address(url), "", ["#"], give_up=1.0, clock=count().__next__)
    monkeypatch.setattr(watch._client, "connect", Mock(side_effect=error))
    assert watch.run(Mock()) is ExitStatus.UNREACHABLE
    assert said in watch.reason


def test_what_the_writer_acknowledges_is_sent_by_the_thread_that_reads(unconnected: Watch) -> None:
    client = unconnected._client
    client._sock = socket = Mock(send=Mock(side_effect=len))
    client.ack(1, 1)
    assert client.want_write()
    socket.send.assert_not_called()
    client.loop_write()
    socket.send.assert_called_once()


def watch(
    service: RunningService, token: str, *more: str, ca: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(service, token, *more, ca=ca),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def token(service: RunningService) -> str:
    """A token that the service takes."""
    return new_token(service, "all")


def new_token(service: RunningService, name: str) -> str:
    return service.command("token", "create", name, "--live").strip()


@pytest.mark.parts
def test_from_the_service_to_a_file(service: RunningService, token: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = watch(service, token, "--topic", "mioty/#", "--count", "4", "--to", "file", "--path", str(out))
    assert done.returncode == ExitStatus.DONE, done.stderr
    assert len(out.read_text().splitlines()) >= 4
    assert token not in done.stderr


@pytest.mark.parts
@pytest.mark.postgres
def test_from_the_service_to_postgresql(
    service: RunningService, token: str, database: Database, tmp_path: Path
) -> None:
    """Over a stop of the server, during which nothing is acknowledged, and so nothing is lost."""
    cluster, said = database.cluster, tmp_path / "said.log"
    address = f"host={cluster.host} dbname={database.name} user={cluster.user}"
    more = ("--topic", "mioty/ep/#", "--client-id", "pg", "--to", "postgres", "--path", address)
    with (
        said.open("wb") as log,
        subprocess.Popen(command(service, token, *more), cwd=ROOT, stderr=log) as process,
    ):
        try:
            wait_for_rows(database, 2)
            cluster.stop()
            wait_for_lines(said, 3, "not written, next attempt")
            cluster.start()
            wait_for_rows(database, 5)
        finally:
            process.terminate()
        assert process.wait(20) == ExitStatus.DONE
    payloads = [json.loads(each) for each in database.query("SELECT payload::text FROM message")]
    counters = sorted(each["cnt"] for each in payloads if "cnt" in each)
    assert counters == list(range(counters[0], counters[-1] + 1))


def wait_for_rows(database: Database, count: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            [rows] = database.query("SELECT count(*) FROM message")
        except psycopg.Error:
            rows = 0
        if rows >= count:
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parts
def test_whom_it_does_not_trust(service: RunningService, token: str) -> None:
    done = watch(service, token, ca=False)
    assert done.returncode == ExitStatus.NOT_TRUSTED
    assert "certificate" in done.stderr


@pytest.mark.parts
def test_a_token_that_is_revoked(service: RunningService) -> None:
    token = new_token(service, "revoked")
    service.command("token", "revoke", "revoked", "--live")
    done = watch(service, token)
    assert done.returncode == ExitStatus.REFUSED
    assert token not in done.stderr


@pytest.mark.parts
def test_topics_that_the_token_does_not_allow(service: RunningService) -> None:
    token = service.command("token", "create", "few", "--live", "--topic", "device/+/telemetry/#").strip()
    done = watch(service, token, "--topic", "#")
    assert done.returncode == ExitStatus.REFUSED
    assert "error: the token allows none of the topics" in done.stderr


@pytest.mark.parts
def test_the_service_is_killed_and_comes_back(service: RunningService, token: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    more = ("--topic", "mioty/ep/#", "--client-id", "it", "--to", "file", "--path", str(out))
    with subprocess.Popen(command(service, token, *more), cwd=ROOT, stderr=subprocess.PIPE) as process:
        try:
            wait_for_lines(out, 1)
            service.restart()
            wait_for_lines(out, len(out.read_text().splitlines()) + 1)
        finally:
            process.terminate()
        assert process.wait(20) == ExitStatus.DONE


def wait_for_lines(path: Path, count: int, text: str = "\n") -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text().count(text) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_file_of_authorities_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(StreamError):
        verifying(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_text("x")
    with pytest.raises(StreamError):
        verifying(tmp_path / "bad.pem")


@pytest.mark.parts
def test_nobody_there(tmp_path: Path) -> None:
    from bssci.model.live_token import compose

    environment = os.environ | {"BSSCI_TOKEN": compose("x" * 32), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "bssci.cli", "watch", "ws://127.0.0.1:1/mqtt", "--give-up", "0.1"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == ExitStatus.UNREACHABLE
    assert "refused" in done.stderr
