"""``python -m bench.turns``: the longest turn of the reactor when commands and looks concern 100 000 sensors.

The CPU time of the reactor's thread counts: the wall clock also shows what other processes take.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import lives, processes
from bench.figures import Figure, at_most, told

SENSORS = 100_000
STATIONS = 1
GOAL = 50
"""ms that one turn of the reactor may take"""
AFTERMATH = 5.0
"""s that a measure goes on after its answer: what it began goes on as well"""
TIMEOUT = 300.0
"""s that one answer may take"""
TURNS = "turns.jsonl"


class Turn(NamedTuple):
    """The turn that took most CPU in some time; ms."""

    cpu: float
    wall: float
    collected: float
    """part of it in which garbage was collected"""


class Asker:
    """A client of the API, and the turns that its requests cost."""

    def __init__(self, directory: Path, port: int, token: str) -> None:
        self._file = directory / TURNS
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        """Return the answer to one request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            body,
            self._headers | {"Content-Type": kind},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            found: bytes = answer.read()
        return found

    def longest(self, measured: Callable[[], object], aftermath: float = AFTERMATH) -> Turn:
        """Return the longest turn while something happens, and shortly after."""
        seen = self._file.stat().st_size
        measured()
        time.sleep(aftermath)
        with self._file.open() as file:
            file.seek(seen)
            turns = [json.loads(line) for line in file]
        if not turns:
            return Turn(0.0, 0.0, 0.0)
        worst = max(turns, key=lambda turn: float(turn["cpu"]))
        return Turn(worst["cpu"] * 1000, worst["wall"] * 1000, sum(worst["collected"].values()) * 1000)


def measure(directory: Path, sensors: int) -> dict[str, Turn]:
    """Return the longest turn of each action."""
    processes.write_sensors(directory, sensors)
    shutil.rmtree(directory / "data", ignore_errors=True)
    token, port = lives.make_token(directory), processes.free_port()
    file = directory / "endpoints.json"
    entries = json.loads(file.read_text())
    renamed = json.dumps([entry | {"name": f"sensor {at}"} for at, entry in enumerate(entries)]).encode()
    found: dict[str, Turn] = {}
    settings = {"SINKS": "timing", "WEB_PORT": port, "LOG_LEVEL": "warn"}
    with processes.service(directory, keep_data=True, **settings) as service:
        _wait_for(directory / TURNS)
        asker = Asker(directory, port, token)
        with lives.answering_stations(directory, service.port, STATIONS):
            found["a station that connects is told of all"] = asker.longest(lambda: None, 20.0)
            actions: dict[str, Callable[[], object]] = {
                "list of sensors": lambda: asker.ask("GET", "/api/sensors"),
                "page of sensors": lambda: asker.ask("GET", "/sensors"),
                "search in all sensors": lambda: asker.ask("GET", "/api/sensors?q=99&sort=-last_seen_at"),
                "list of all sensors at once": lambda: asker.ask("GET", "/api/sensors?per_page=all"),
                "export of sensors": lambda: asker.ask("GET", "/api/sensors/export"),
                "alarms": lambda: asker.ask("GET", "/api/alarms"),
                "service status": lambda: asker.ask("GET", "/api/bssci/status"),
                "dashboard": lambda: asker.ask("GET", "/"),
                "metrics": lambda: asker.ask("GET", "/metrics"),
                "nothing (timers)": lambda: time.sleep(25),
                "detach all": lambda: asker.ask("POST", "/api/sensors/detach-all", b"{}"),
                "attach all": lambda: asker.ask("POST", "/api/sensors/attach-all", b"{}"),
                "trial of an import": lambda: asker.ask("POST", "/api/sensors/import?dry_run=1", renamed),
                "import": lambda: asker.ask("POST", "/api/sensors/import", renamed),
                "reload, nothing changed": lambda: asker.ask("POST", "/api/sensors/reload", b"{}"),
                "reload, all changed": lambda: _reload(asker, file),
                "clear": lambda: asker.ask("POST", "/api/sensors/clear", b"{}"),
            }
            for name, action in actions.items():
                found[name] = asker.longest(action)
    return found


def _reload(asker: Asker, file: Path) -> None:
    entries = json.loads(file.read_text())
    file.write_text(json.dumps([entry | {"shortAddr": "0BAD"} for entry in entries]))
    asker.ask("POST", "/api/sensors/reload", b"{}")


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not file.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{file} is not there")
        time.sleep(0.1)


def figures(directory: Path, sensors: int = SENSORS) -> list[Figure]:
    """Measure every action."""
    found = measure(directory, sensors)
    for each, turn in found.items():
        told_of = f"{turn.cpu:6.0f} ms of CPU, {turn.collected:4.0f} of it garbage; {turn.wall:6.0f} ms"
        print(f"{each:40}{told_of}", file=sys.stderr)
    name, worst = max(found.items(), key=lambda each: each[1].cpu)
    return [
        at_most(f"longest turn with {sensors:,} sensors, of CPU", worst.cpu, "ms", GOAL),
        told(f"which was: {name}; by the clock", worst.wall, "ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=SENSORS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        processes.prepare(directory)
        for figure in figures(directory, arguments.sensors):
            print(figure)


if __name__ == "__main__":
    main()
