"""What the service says when it cannot start, and that a stop ends whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError

from bssci import service as service_module
from bssci.journal import Loaded, StorageError
from bssci.service import BssciService, StartError
from bssci.settings.configuration import Configuration
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.log_lines import log_lines
from tests.support.settings import CATALOGUE, INSTALLED
from tests.support.tls import TLSFiles

__all__ = ["log_lines"]


def configuration_in(directory: Path, **options: str):
    TLSFiles(directory)
    (directory / "endpoints.json").write_text("[]")
    files = {
        "cert-file": "service_center_cert.pem",
        "key-file": "service_center_key.pem",
        "ca-file": "ca_cert.pem",
        "sensor-config-file": "endpoints.json",
        "state-dir": "data",
    }
    chosen = {name: str(directory / file) for name, file in files.items()} | {"sinks": "log"} | options
    return Configuration(CATALOGUE, chosen, {}, directory / "none.env", maybeDeferred)


class Journal(InlineJournal):
    """Answers what the start asks without a turn of the reactor, which runs already."""

    def load(self) -> Deferred[Loaded]:
        return succeed(self.kept())


def use_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "use_boot_time", lambda reactor: None)
    monkeypatch.setattr(service_module, "open_journal", lambda directory, *_, **options: Journal(directory))
    monkeypatch.setattr(service_module, "wait_for", lambda reactor, opened: result_of(opened))


class Reactor:
    """Cannot listen, for a reason."""

    def __init__(self, reason: int) -> None:
        self.reason = reason
        self.stopped: list[int] = []

    def __getattr__(self, name: str):
        return getattr(reactor, name)

    def listenTCP(self, port: int, factory, backlog: int = 50, interface: str = ""):
        if port == 1:
            raise CannotListenError(interface, port, OSError(self.reason, "no"))
        return _Port(self.stopped, port)


class _Port:
    def __init__(self, stopped: list[int], port: int) -> None:
        self._stopped, self._port = stopped, port

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", self._port or 40_000)

    def stopListening(self) -> None:
        self._stopped.append(self._port)


@pytest.mark.parametrize(
    ("reason", "setting"),
    [
        (errno.EADDRINUSE, "LISTEN_PORT=1: "),
        (errno.EACCES, "LISTEN_PORT=1: "),
        (errno.EADDRNOTAVAIL, "LISTEN_PORT=1: cannot listen on LISTEN_HOST=192.0.2.1 ("),
    ],
)
def test_a_port_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd, reason: int, setting: str
) -> None:
    use_at_once(monkeypatch)
    configuration = configuration_in(tmp_path, **{"listen-port": "2,1", "listen-host": "192.0.2.1"})
    doomed = Reactor(reason)
    with pytest.raises(StartError) as refused:
        BssciService(doomed, configuration, INSTALLED).privilegedStartService()
    assert str(refused.value).startswith(setting)
    assert refused.value.code == 1
    assert isinstance(refused.value, SystemExit)
    assert doomed.stopped == [2]


def test_an_interrupt_ends_the_start_wherever_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = []

    async def open_nothing(service: BssciService) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setattr(BssciService, "_open", open_nothing)
    starting = Reactor(0)
    starting.callWhenRunning = lambda *call: None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        BssciService(starting, configuration_in(tmp_path), INSTALLED).privilegedStartService()
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.SIG_DFL]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BssciService]:
    """One that listens on the ports 2, 0 (any) and, for browsers, 3."""
    use_at_once(monkeypatch)
    options = {"listen": "tcp:2 tcp:0", "web-port": "3", "web-host": "127.0.0.1"}
    service = BssciService(Reactor(0), configuration_in(tmp_path, **options), INSTALLED)
    service.privilegedStartService()
    yield service
    service._abandon()


def test_a_change_of_the_ways_in_which_alarms_are_sent_is_tried_at_once(
    service: BssciService, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(service.notices, "try_again", lambda: tried.append("now"))
    change = service.configuration.change
    assert result_of(change({"ALARM_MAIL_PORT": "25", "ALARM_WEBHOOK_URL": "http://hook.example/"}))
    assert tried == ["now"]
    assert result_of(change({"RETENTION_DAYS": "80"})) and tried == ["now"]


def test_the_web_admin_is_told_how_many_connections_were_refused_and_why(service: BssciService) -> None:
    count = service.stations.count
    count.refused, count.failed_handshakes, count.timed_out, count.closed_for_framing = 1, 2, 3, 4
    assert service.web is not None
    told = service.web.context.outside.refused_connections()
    assert told == {"too_many": 1, "handshake": 2, "timeout": 3, "framing": 4}


def test_the_web_admin_is_told_the_ports_that_base_stations_find(service: BssciService) -> None:
    assert service.web is not None
    assert service.web.context.outside.station_ports() == [2, 40_000]


def test_a_step_of_the_stop_that_cannot_store_is_one_line_in_the_log(
    tmp_path: Path, log_lines: list[str]
) -> None:
    def settled() -> None:
        raise StorageError("the journal is gone")

    service = BssciService(Reactor(0), configuration_in(tmp_path), INSTALLED)
    assert result_of(service._step(settled)) is None
    [line] = [each for each in log_lines if "a step of the stop failed" in each]
    assert line.endswith("settled the journal is gone")


def test_a_step_of_the_stop_that_hangs_is_one_line_in_the_log_and_the_others_follow(
    tmp_path: Path, log_lines: list[str]
) -> None:
    def close() -> Deferred[None]:
        return Deferred()

    service = BssciService(Reactor(0), configuration_in(tmp_path), INSTALLED)
    step = service._step(close)
    step.cancel()
    assert result_of(step) is None
    [line] = [each for each in log_lines if "a step of the stop" in each]
    assert "took too long" in line and line.endswith("close")


def test_what_killed_processes_left_is_removed_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_at_once(monkeypatch)
    of_devices = tmp_path / "devices"
    options = {"decoder-dir": str(tmp_path / "decoders"), "device-ca-file": str(of_devices / "ca_cert.pem")}
    configuration = configuration_in(tmp_path, **options | {"listen-port": "2", "web-port": "0"})
    earlier = os.getpid()  # an earlier process had the same id, as in a container
    directories = [tmp_path / name for name in ("data", "decoders", "devices", "stations/CAFE000000000001")]
    for directory in (tmp_path, *directories):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f".one.js.{earlier}.abcdefgh.new").write_bytes(b"half")
        (directory / f".scratch.{earlier}.abcdefgh").mkdir()
        (directory / f".scratch.{earlier}.abcdefgh" / "device_key.pem").write_bytes(b"secret")
    service = BssciService(Reactor(0), configuration, INSTALLED)
    service.privilegedStartService()
    service._abandon()
    assert [path for path in tmp_path.rglob(".*") if str(earlier) in path.name] == []


@pytest.mark.parts
def test_what_the_web_admin_is_made_of_is_imported_only_where_there_is_one() -> None:
    code = (
        "import sys, bssci.tap, bssci.service\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('jinja2', 'klein', 'werkzeug')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
