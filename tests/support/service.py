"""The service as a process of its own, with a directory, certificates and ports that nobody else has."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bssci.simulator.certs import Bundle, ClientTLS
from bssci.simulator.sensor import RadioTelegram, Signal
from bssci.simulator.station import SimulatedStation
from tests.support.running_service import ROOT, free_ports
from tests.support.tls import TLSFiles

TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
PATIENCE = 60.0
"""s that anything may take on a busy machine"""
KEY = "000102030405060708090A0B0C0D0E0F"
STOP_TIME = 15.0
"""s in which it must have ended; the service itself counts on five"""


def endpoint(eui: int, **changes: Any) -> dict[str, Any]:
    """An entry of endpoints.json."""
    entry = {"eui": f"{eui:016X}", "nwKey": KEY, "shortAddr": f"{eui & 0xFFFF:04X}", "bidi": False}
    return entry | changes


class ServiceProcess:
    """``twistd bssci`` in a directory.

    :ivar settings: what ``.env`` will say at the next start.
    :ivar output: lines of standard output and error so far.
    """

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory = directory
        certificates = directory / "certs"
        certificates.mkdir(parents=True)
        self.files = TLSFiles(certificates)
        [self.port] = free_ports(1)
        self.settings: dict[str, object] = {
            "LISTEN_HOST": "127.0.0.1",
            "LISTEN_PORT": self.port,
            "SINKS": "log",
            "DEDUPLICATION_DELAY": 0.1,
            "WEB_PORT": 0,
            **settings,
        }
        self.extra_path: list[Path] = []
        self.output: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self.configure([])

    def configure(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write endpoints.json."""
        (self.directory / "endpoints.json").write_text(json.dumps(list(entries)))

    def spawn(
        self, *arguments: str, inherited: Iterable[int] = (), launcher: Iterable[str] = ()
    ) -> subprocess.Popen[str]:
        """``twistd`` with these arguments.

        :param inherited: file descriptors that it keeps open, a daemon too.
        :param launcher: the command that starts it.
        """
        lines = [f"{name}={value}\n" for name, value in self.settings.items()]
        (self.directory / ".env").write_text("".join(lines))
        clean = {name: value for name, value in os.environ.items() if name not in self.settings}
        clean["PYTHONPATH"] = os.pathsep.join(map(str, [ROOT, *self.extra_path]))
        return subprocess.Popen(
            [*launcher, sys.executable, "-c", TWISTD, *arguments],
            cwd=self.directory,
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=tuple(inherited),
        )

    def fail(self, *arguments: str) -> tuple[int, str]:
        """Exit status and standard error of a start that is expected to fail, after its last process."""
        alive, held = os.pipe()
        try:
            process = self.spawn(*(arguments or ("-n", "--pidfile=", "bssci")), inherited=[held])
        finally:
            os.close(held)
        with os.fdopen(alive, "rb") as last:
            _, said = process.communicate(timeout=PATIENCE)
            # A daemon tells its parent before it has tidied up; the pipe ends with the last process of them.
            ended, _, _ = select.select([last], [], [], PATIENCE)
            assert ended, "a process of the failed start is still there"
        return process.returncode, said

    async def start(self) -> None:
        """Start it, and wait until stations may come."""
        self.output.clear()
        self._process = self.spawn("-n", "--pidfile=", "bssci")
        await self.serve(self._process)

    async def serve(self, process: subprocess.Popen[str]) -> None:
        """Wait until stations may come to a process that was spawned."""
        self._process = process
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=self._listen, args=(stream,), daemon=True).start()
        await until(self._is_open)

    def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "\n".join(self.output)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _listen(self, stream: Iterable[str]) -> None:
        for line in stream:
            self.output.append(line.rstrip("\n"))

    def said(self, text: str) -> bool:
        return any(text in line for line in self.output)

    def reload(self) -> None:
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """As a power cut, but for the disk."""
        self._signal(signal.SIGKILL)
        self._process.wait(PATIENCE)

    async def stop(self) -> float:
        """End it in order; how many seconds that took."""
        began = time.monotonic()
        self._signal(signal.SIGINT)
        await until(lambda: self._process.poll() is not None)
        # twistd ends as its signal would have ended it.
        assert self._process.returncode == -signal.SIGINT
        return time.monotonic() - began

    def end(self) -> None:
        """Whatever it is doing."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def station(self, eui: int) -> SimulatedStation:
        """A base station that connects, and comes back, until it is stopped."""
        tls = ClientTLS(Bundle.in_directory(self.files.station_bundle()))
        station = SimulatedStation(eui, clock=reactor)
        station.start(tls.endpoint(reactor, "127.0.0.1", self.port))
        return station


def send(station: SimulatedStation, sensor: int, counter: int, payload: bytes = b"\1") -> Deferred[None]:
    """Have a station deliver an uplink; fires when it is acknowledged."""
    return station.send_uplink(RadioTelegram(sensor, counter, payload), Signal(10.0, -100.0))


async def until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something that happens elsewhere.

    The longer it lasts, the seldomer it is looked for: looking takes time from what is waited for.
    """
    begin = time.monotonic()
    while not true():
        waited = time.monotonic() - begin
        assert waited < seconds, "it did not happen"
        await deferLater(reactor, min(max(0.01, waited / 10), 0.2))
