"""The service as its manager and its operator treat it: signals, changed files, sockets handed over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bssci.certificates import bundles
from bssci.system.signals import held_back
from tests.support.running_service import free_ports
from tests.support.service import ROOT, STOP_TIME, TWISTD, endpoint, send, until

Process = subprocess.Popen[str]


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


async def test_a_reload_before_the_start_is_done_ends_nothing_and_is_done(make_service) -> None:
    service = make_service()
    process = service.spawn("-n", "--pidfile=", "bssci")
    await until(lambda: catches(process.pid, signal.SIGHUP))
    os.kill(process.pid, signal.SIGHUP)
    await service.serve(process)
    await until(lambda: service.said("sensors reloaded"))
    await service.stop()


def ignoring(spawn: Callable[[], Process], directory: Path) -> Process:
    """Started by a shell that ignores the signal."""
    ready = directory / "trapped"
    launcher = ("/bin/sh", "-c", f"trap '' HUP; touch {ready}; exec \"$@\"", "sh")
    process = spawn(launcher=launcher)
    while not ready.exists():
        assert process.poll() is None
    return process


def blocking(spawn: Callable[[], Process], directory: Path) -> Process:
    """Started as the demonstration starts it."""
    with held_back(signal.SIGHUP):
        return spawn()


@pytest.mark.parametrize("start", [ignoring, blocking])
async def test_a_launcher_has_no_reload_end_the_start_from_its_first_moment_on(
    make_service, start, tmp_path: Path
) -> None:
    service = make_service()
    process = start(partial(service.spawn, "-n", "--pidfile=", "bssci"), tmp_path)
    os.kill(process.pid, signal.SIGHUP)
    first = time.monotonic()

    def comes_again() -> bool:
        os.kill(process.pid, signal.SIGHUP)
        return catches(process.pid, signal.SIGHUP)

    await until(comes_again)
    assert process.poll() is None, time.monotonic() - first
    service.configure([endpoint(1)])
    os.kill(process.pid, signal.SIGHUP)
    await service.serve(process)
    await until(lambda: service.said("sensors reloaded 1"))
    await service.stop()


async def test_what_is_changed_is_taken_by_signal_or_by_itself(make_service) -> None:
    service = make_service(LOG_FILE="logs/bssci.log")
    await service.start()
    log = service.directory / "logs" / "bssci.log"
    assert log.stat().st_mode & 0o777 == 0o600
    os.rename(log, log.with_name("moved"))
    service.configure([endpoint(1), endpoint(2) | {"nwKey": "00"}])
    service.reload()
    await until(lambda: log.exists() and "sensors reloaded 1" in log.read_text())
    assert "entry of endpoints.json not used: entry 2" in log.read_text()
    service._signal(signal.SIGUSR1)
    await until(log.with_name("bssci.log.1").exists)
    service.configure([endpoint(1), endpoint(3)])
    with (service.directory / ".env").open("a") as file:
        file.write("DEDUPLICATION_DELAY=1.5\n")
    await until(lambda: "sensors reloaded 2" in log.read_text(), 20.0)
    await until(lambda: "settings changed DEDUPLICATION_DELAY" in log.read_text(), 20.0)
    await service.stop()


async def test_a_certificate_that_has_expired_is_loud_and_no_reason_not_to_start(make_service) -> None:
    service = make_service()
    directory = service.directory / "certs"
    for path in directory.glob("*.pem"):
        path.unlink()
    long_ago = datetime.now(UTC) - timedelta(days=2000)
    list(bundles.make_authority(service.files.ca, datetime.now(UTC)))
    list(bundles.make_server(service.files.ca, service.files.certificate, service.files.key, [], long_ago))
    await service.start()
    text = "no base station can connect: certs/service_center_cert.pem: expired on"
    await until(lambda: service.said(text))
    await service.stop()


class Listening:
    """What systemd would hear."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hears(self, text: str) -> bool:
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return any(text in each for each in self.heard)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    listening = Listening(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    yield listening
    listening.socket.close()


async def test_the_manager_is_told(make_service, manager: Listening) -> None:
    service = make_service()
    await service.start()
    await until(lambda: manager.hears("READY=1"))
    await until(lambda: manager.heard.count("WATCHDOG=1") > 2 or manager.hears("-"))
    assert manager.heard[0].startswith("READY=1") or "WATCHDOG=1" in manager.heard[0]
    manager.heard.clear()
    service.reload()
    await until(lambda: manager.hears("READY=1"))
    kinds = [each.split("=")[0] for each in manager.heard if not each.startswith("WATCHDOG")]
    assert kinds == ["RELOADING", "READY"]
    await service.stop()
    assert manager.hears("STOPPING=1")


async def test_a_socket_is_handed_over(make_service, stations) -> None:
    service = make_service(LISTEN="systemd:domain=INET:index=0")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "LISTEN": "systemd:domain=INET:index=0",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "bssci.socket",
        "WEB_PORT": "0",
        "SINKS": "log",
    }
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        service.port = listening.getsockname()[1]
        number = os.dup(listening.fileno())
        hand_over = f"import os; os.dup2({number}, 3); os.environ['LISTEN_PID'] = str(os.getpid()); {TWISTD}"
        command = [sys.executable, "-c", hand_over, "-n", "--pidfile=", "bssci"]
        process = subprocess.Popen(
            command,
            cwd=service.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(number,),
        )
        os.close(number)
        # It listens already: the service takes what comes as soon as it serves.
        await service.serve(process)
        await until(lambda: service.said("started as"))
        station = service.station(0xCAFE00000000C001)
        stations.append(station)
        await station.when_connected()
        await send(station, 0x70B3D56770110001, 1)
        await service.stop()


async def test_endpoints_listen_beside_each_other_within_one_limit(make_service, stations) -> None:
    first, second = free_ports(2)
    listen = f"mtls:{first}:interface=127.0.0.1;tcp:{second}:interface=127.0.0.1"
    service = make_service(LISTEN=listen, MAX_CONNECTIONS=1)
    service.port = first
    await service.start()
    service.port = second
    station = service.station(0xCAFE00000000C001)
    stations.append(station)
    await station.when_connected()
    with socket.create_connection(("127.0.0.1", first)) as one_too_many:
        one_too_many.settimeout(10)
        assert one_too_many.recv(1) == b""
    await service.stop()


HANGING = """
import os, sys, threading, time

def hold():
    os.write(2, b"a thread hangs\\n")
    time.sleep(60)

def hang():
    while not getattr(sys.modules.get("twisted.internet.reactor"), "running", False):
        time.sleep(0.05)
    sys.modules["twisted.internet.reactor"].callInThread(hold)

threading.Thread(target=hang, daemon=True).start()
"""
"""a name server that does not answer holds a thread of the reactor like this"""


async def test_a_stop_with_threads_that_hang_is_bounded(make_service) -> None:
    service = make_service()
    (service.directory / "sitecustomize.py").write_text(HANGING)
    service.extra_path.append(service.directory)
    await service.start()
    await until(lambda: service.said("a thread hangs"))
    begin = time.monotonic()
    service._signal(signal.SIGTERM)
    await until(lambda: service._process.poll() is not None)
    assert time.monotonic() - begin < STOP_TIME
    await until(lambda: service.said("process ended although threads hang"))
    assert service._process.returncode == 0
