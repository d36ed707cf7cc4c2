"""``python -m bench.hanging``: a script that never ends, and what the others notice of it."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import processes
from bench.arrivals import WINDOW, arrivals
from bench.decoding import BLUEPRINT
from bench.figures import Figure, at_least, at_most, told

SENSORS = 100
RATE = 500
"""uplinks/s, of which one in :data:`SENSORS` meets the script"""
SCRIPT = "function decodeUplink(input) { while (true) {} }"
LATER = 300
"""ms by which others may be later"""


def prepare(directory: Path, hanging: bool) -> str:
    """Give the first sensor the script, or the blueprint that all others have; return its EUI."""
    processes.write_sensors(directory, SENSORS)
    file = directory / "endpoints.json"
    entries = [entry | {"decoder": "bench"} for entry in json.loads(file.read_text())]
    if hanging:
        entries[0]["decoder"] = "endless"
    file.write_text(json.dumps(entries))
    decoders = directory / "decoders"
    shutil.rmtree(decoders, ignore_errors=True)
    decoders.mkdir()
    (decoders / "bench.json").write_text(json.dumps(BLUEPRINT))
    (decoders / "endless.js").write_text(SCRIPT)
    return str(entries[0]["eui"])


def measure(directory: Path, seconds: float, hanging: bool) -> tuple[float, float]:
    """Return the s that the slowest of the others took to arrive, and the uplinks/s that were ingested."""
    eui = prepare(directory, hanging)
    options = ("--stations", 4, "--mode", "open", "--rate", RATE, "--sensors", SENSORS, "--settle", 2)
    with processes.mosquitto(directory) as broker, arrivals(directory, broker) as arrived:
        settings: dict[str, Any] = {
            "MQTT_BROKER": "127.0.0.1",
            "MQTT_PORT": broker,
            "DEDUPLICATION_DELAY": WINDOW,
        }
        with processes.service(directory, SINKS="mqtt", **settings) as service:
            time.sleep(2.0)
            result = processes.load(directory, service.port, *options, "--seconds", seconds)
            arrived.settle()
        others = [each.delay for each in arrived.read() if each.sensor != eui]
    expected = result["acknowledged"] * (SENSORS - 1) / SENSORS
    if len(others) < int(expected):
        raise RuntimeError(f"{len(others)} of {expected:.0f} uplinks of other sensors arrived")
    return max(others), float(result["rate"])


def figures(directory: Path, seconds: float, pairs: int = 3) -> list[Figure]:
    """Measure without the script and with it in turns; the median of the slowest uplinks counts."""
    slowest: dict[bool, list[float]] = {False: [], True: []}
    rates: dict[bool, list[float]] = {False: [], True: []}
    for pair in range(pairs):
        for hanging in (False, True) if pair % 2 == 0 else (True, False):
            delay, rate = measure(directory, seconds, hanging)
            slowest[hanging].append(delay * 1000)
            rates[hanging].append(rate)
    alone = median(slowest[False])
    ratio = sum(rates[True]) / sum(rates[False])
    return [
        told("slowest delivery at 500 uplinks/s", alone, "ms"),
        at_most("later with a script that never ends", median(slowest[True]) - alone, "ms", LATER),
        at_least("ingest with a script that never ends / without", round(ratio, 2), "", 1.0),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        processes.prepare(Path(name))
        for figure in figures(Path(name), arguments.seconds):
            print(figure)


if __name__ == "__main__":
    main()
