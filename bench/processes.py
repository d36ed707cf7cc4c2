"""The processes of a benchmark: bare server, service, broker, subscriber, load generator."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
START_TIME = 60.0
"""s that a process may take to start"""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(directory: Path, root: Path = ROOT) -> None:
    """Make certificates and an empty configuration, as an operator makes them.

    :param root: the checkout whose service is measured.
    """
    subprocess.run(
        [program("python", root), "-m", "bssci.cli", "init"],
        cwd=directory,
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment(root),
    )


def write_sensors(directory: Path, count: int) -> None:
    """Write an endpoints.json with the sensors that the load generator uses."""
    from random import Random

    from bssci.simulator.configuration import FIRST_SENSOR, generate_sensors, write_sensors

    write_sensors(directory / "endpoints.json", generate_sensors(FIRST_SENSOR, count, Random(1)))


def first_sensor() -> str:
    """Return the EUI of the first sensor that the load generator uses."""
    from bssci.simulator.configuration import FIRST_SENSOR

    return f"{FIRST_SENSOR:016X}"


class Server:
    """A server that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = process

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def memory(self) -> int:
        """Return the resident bytes now."""
        fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_time(self) -> float:
        """Return the s of all its threads until now, in user mode and in the kernel."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bare(directory: Path) -> Iterator[Server]:
    """Start the bare server."""
    command = [sys.executable, "-m", "bench.bare", "--certificates", str(directory / "certs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def service(
    directory: Path, *, keep_data: bool = False, root: Path = ROOT, **settings: object
) -> Iterator[Server]:
    """Start ``twistd bssci`` in a directory that :func:`prepare` made; its journal is new, unless it is
    kept.
    """
    if not keep_data:
        shutil.rmtree(directory / "data", ignore_errors=True)
    port = free_port()
    variables = environment(root) | {
        "LISTEN_HOST": "127.0.0.1",
        "LISTEN_PORT": str(port),
        "WEB_PORT": "0",
        **{name: str(value) for name, value in settings.items()},
    }
    command = [program("twistd", root), "-n", "--pidfile="]
    log = (directory / "service.log").open("wb")
    with subprocess.Popen(
        [*command, "bssci"], cwd=directory, env=variables, stdout=log, stderr=log
    ) as process:
        try:
            _wait_for(port, process)
            yield Server(process, port)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
            log.close()


@contextmanager
def mosquitto(directory: Path, *more: str) -> Iterator[int]:
    """Start a broker without limits on what waits for a subscriber; gives its port.

    :param more: lines of its configuration.
    """
    port = free_port()
    configuration = directory / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\npersistence false\n"
        + "".join(f"{line}\n" for line in more)
    )
    command = [found("mosquitto"), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()


class Subscriber:
    """Counts the uplinks that arrive, in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], seen: Path) -> None:
        self._process = process
        self._seen = seen

    def count(self) -> int:
        """Return the number of messages until now: one byte each was written for them."""
        return self._seen.stat().st_size // 2


@contextmanager
def subscriber(directory: Path, port: int) -> Iterator[Subscriber]:
    """Start mosquitto_sub with QoS 1."""
    seen = directory / "seen"
    with seen.open("wb") as out:
        command = [found("mosquitto_sub"), "-p", str(port), "-q", "1", "-t", "mioty/ep/+/ul", "-F", "."]
        command = ["stdbuf", "-o64K", *command] if shutil.which("stdbuf") else command
        with subprocess.Popen(command, stdout=out) as process:
            try:
                time.sleep(0.5)
                yield Subscriber(process, seen)
            finally:
                process.terminate()


def load(directory: Path, port: int, *arguments: object) -> dict[str, Any]:
    """Run the load generator to its end."""
    command = _load_command(directory, port, arguments)
    run = subprocess.run(command, capture_output=True, check=False, text=True, env=environment(), cwd=ROOT)
    if not run.stdout.strip():
        raise RuntimeError(f"the load generator failed: {run.stderr.strip()}")
    result: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return result


@contextmanager
def idle_stations(directory: Path, port: int, count: int) -> Iterator[None]:
    """Start base stations that are connected and do nothing."""
    arguments = ("--measure", "idle", "--stations", count, "--seconds", 60)
    with subprocess.Popen(
        _load_command(directory, port, arguments), stdout=subprocess.PIPE, env=environment(), cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("the idle stations did not connect")
            yield
        finally:
            process.kill()


def _load_command(directory: Path, port: int, arguments: Sequence[object]) -> list[str]:
    bundle = next((directory / "certs" / "stations").iterdir())
    command = [sys.executable, "-m", "bench.load", "--host", "127.0.0.1", "--port", str(port)]
    return [*command, "--bundle", str(bundle), "--json", *map(str, arguments)]


def program(name: str, root: Path = ROOT) -> str:
    """Return the path of a program of a checkout's virtual environment; of ours, if it has none."""
    places = [str(root / ".venv" / "bin")] if root != ROOT else []
    return shutil.which(name, path=os.pathsep.join([*places, str(Path(sys.executable).parent)])) or name


def environment(root: Path = ROOT) -> dict[str, str]:
    """Return the environment of processes that run a checkout."""
    path = os.pathsep.join([str(root), str(root / "bench" / "plugins")])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def found(program: str) -> str:
    path = shutil.which(program, path=PATH)
    if path is None:
        raise SystemExit(f"{program} is not installed: apt-get install mosquitto mosquitto-clients")
    return path


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIME
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")
