"""Measurements of sensors' lives: queued downlinks, one bulk command, one look for silence."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from twisted.internet import task
from twisted.internet.defer import ensureDeferred

from bench import processes
from bssci import extensions
from bssci.center.service_center import ServiceCenter
from bssci.journal import Loaded, StoredDownlink, open_journal
from bssci.model import EUI, Downlink, DownlinkRequest
from bssci.settings.configuration import Configuration
from bssci.simulator.configuration import FIRST_SENSOR

BATCH = 1000
BULK_TIME = 60.0
"""s that a bulk command may take at all"""


def fill_downlinks(directory: Path, count: int, sensors: int, root: Path = processes.ROOT) -> None:
    """Leave downlinks in the journal of a service that does not run; in a process of its own."""
    python = processes.program("python", root)
    command = [python, "-m", "bench.lives", str(directory / "data"), str(count), str(sensors)]
    subprocess.run(command, check=True, cwd=root, env=processes.environment(root))


async def _fill(reactor: Any, directory: Path, count: int, sensors: int) -> None:
    journal = open_journal(directory, reactor)
    now = time.time()
    for first in range(1, count + 1, BATCH):
        await journal.downlinks.store(
            [
                StoredDownlink(
                    downlink=Downlink(
                        queue_id=number,
                        request=DownlinkRequest(
                            end_point_eui=EUI(f"{FIRST_SENSOR + number % sensors:016X}"), data=(b"\1\2",)
                        ),
                        state="queued",
                        created_at=now,
                        changed_at=now,
                    )
                )
                for number in range(first, min(first + BATCH, count + 1))
            ],
            [],
        )
    await journal.close()


@contextmanager
def answering_stations(directory: Path, port: int, count: int) -> Iterator[None]:
    """Return simulated base stations that do as they are told."""
    bundle = next((directory / "certs" / "stations").iterdir())
    command = [
        sys.executable, "-m", "bssci.cli", "simulate", "--port", str(port), "--bundle", str(bundle),
        "--stations", str(count), "--sensors", "1", "--rate", "0.1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=processes.environment(), cwd=directory
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def make_token(directory: Path, role: str = "operator", root: Path = processes.ROOT) -> str:
    """Return a token of the web admin; one that may command unless it is told otherwise."""
    (directory / "data").mkdir(mode=0o700, exist_ok=True)  # commands refuse what is no installation
    python = processes.program("python", root)
    command = [python, "-m", "bssci.cli", "token", "create", "bench", "--role", role]
    made = subprocess.run(
        command, cwd=directory, check=True, capture_output=True, text=True, env=processes.environment(root)
    )
    return made.stdout.strip()


def read_metrics(port: int, token: str) -> dict[str, str]:
    """Return the figures of ``/metrics`` by their names."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=BULK_TIME) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def attach_all(port: int, token: str) -> tuple[float, dict[str, Any]]:
    """Give one bulk command by the web admin; return the seconds that it took, and its answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/sensors/attach-all",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=BULK_TIME) as answer:
        body = json.load(answer)
    return time.perf_counter() - began, body


def look_for_silence(sensors: int) -> float:
    """Return the ms of reactor time that one look takes at many sensors that are attached, all slices
    together.
    """
    with tempfile.TemporaryDirectory(prefix="bssci-bench-") as name:
        directory = Path(name)
        processes.write_sensors(directory, sensors)
        return _look(directory)


def _look(directory: Path) -> float:
    clock = task.Clock()
    calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
    clock.callFromThread = lambda *call: calls.put(partial(*call))  # type: ignore[attr-defined]
    options = {"sensor-config-file": str(directory / "endpoints.json"), "state-dir": str(directory)}
    catalogue = extensions.discover().catalogue
    configuration = Configuration(catalogue, options, os.environ, directory / "none.env", lambda *_: None)
    journal = open_journal(directory / "data", clock)  # type: ignore[arg-type]
    found: list[Loaded] = []
    journal.load().addCallback(found.append)
    while not found:
        calls.get()()
    center = ServiceCenter(clock, configuration, journal, found[0], time.time)
    center.silence.attached([sensor.eui for sensor in center.sensors], time.time(), over_the_air=True)
    began = time.perf_counter()
    center.silence.check()
    while center.silence.under_way:
        clock.advance(0)
    taken = time.perf_counter() - began
    journal.close()
    return taken * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Leave downlinks in a journal.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("sensors", type=int)
    asked = parser.parse_args()
    task.react(lambda reactor: ensureDeferred(_fill(reactor, asked.directory, asked.count, asked.sensors)))
