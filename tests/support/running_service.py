"""The service as processes: made by ``bssci init``, with a simulated base station beside it."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from contextlib import redirect_stdout
from pathlib import Path
from types import TracebackType

import pytest

from bssci import cli

ROOT = Path(__file__).parent.parent.parent
START_TIME = 60.0
"""s until it must answer"""
STOP_TIME = 30.0
SENSOR = {
    "eui": "70B3D59CD0000001",
    "nwKey": "00112233445566778899AABBCCDDEEFF",
    "shortAddr": "0A1B",
    "bidi": True,
}
"""what the simulated base station hears, configured or not"""
RATE = 0.5
"""uplinks a second; a sensor that sends faster closes its downlink window before it opened"""
QUICK = 4.0
"""uplinks a second, where nothing is sent to the sensor: a test need not wait for them"""
STATION = "CAFEBA5E00000001"


class RunningService:
    """A context manager; everything ends with it.

    :param options: further ones of ``twistd bssci``.
    :param rate: uplinks a second.
    :ivar url: of the web admin.
    :ivar listen_port: for base stations.
    :ivar mqtt_port: of the embedded broker, which the source mqtt hears, too, if it is chosen.
    """

    def __init__(self, directory: Path, *options: str, rate: float = RATE) -> None:
        self.directory = directory
        self._rate = rate
        self._options = options
        self._tls = "--web-tls=true" in options
        self.user = "admin"
        self.password = ""
        self._command: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MQTT_", "WEB_"))
        } | {"PYTHONPATH": str(ROOT)}
        self._web_port, self.listen_port, self.mqtt_port = free_ports(3)
        # The certificate is for the name.
        host = "https://localhost" if self._tls else "http://127.0.0.1"
        self.url = f"{host}:{self._web_port}"

    def __enter__(self) -> RunningService:
        found = re.search(r"user (\S+), password (\S+)", self.command("init"))
        assert found, "bssci init told no password"
        self.user, self.password = found[1], found[2]
        ports = {
            "web": self._web_port,
            "listen": self.listen_port,
            "mqtt": self.mqtt_port,
            "source-mqtt": self.mqtt_port,
        }
        options = [*(f"--{name}-port={port}" for name, port in ports.items()), *self._options]
        twistd = str(Path(sysconfig.get_path("scripts")) / "twistd")
        self._command = [twistd, "-n", "--pidfile=", "bssci", "--mqtt-broker=embedded", *options]
        self._start("service", self._command)
        try:
            self._wait_until_ready()
            self.simulate("stations", Path("certs/stations/base-station"), STATION)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def restart(self) -> None:
        """Kill the service and start it again."""
        service = self._processes.pop(0)
        service.kill()
        service.wait()
        self._start("service", self._command)
        self._processes.insert(0, self._processes.pop())
        self._wait_until_ready()

    @property
    def ca_file(self) -> Path:
        """The authority that signed the web admin's certificate."""
        return self.directory / "certs" / "ca_cert.pem"

    def command(self, *arguments: str) -> str:
        """What a sub-command of ``bssci`` prints; it must succeed."""
        said = io.StringIO()
        # Within this process: loading the modules would take longer than what they do.
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
            patch.chdir(self.directory)
            patch.setattr(os, "environ", self._environment)
            assert cli.main(arguments) == 0
        return said.getvalue()

    def simulate(self, name: str, bundle: Path, station: str) -> None:
        """Begin a base station that hears :data:`SENSOR`."""
        config = self.directory / "simulated.json"
        config.write_text(json.dumps([SENSOR]))
        self._start(
            name,
            [
                *(sys.executable, "-m", "bssci.cli", "simulate", "--port", str(self.listen_port)),
                *("--bundle", str(bundle), "--first-station", station, "--sensor-config", str(config)),
                *("--rate", str(self._rate), "--copies", "1", "--first-counter", "1"),
            ],
        )

    def _start(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command, cwd=self.directory, env=self._environment, stdout=log, stderr=subprocess.STDOUT
                )
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIME
        while True:
            try:
                context = ssl.create_default_context(cafile=self.ca_file) if self._tls else None
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=1, context=context):
                    return
            except (urllib.error.URLError, OSError):
                log = (self.directory / "service.log").read_text()
                assert self._processes[0].poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.03)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_TIME)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
