"""``python -m bench.decoding``: what blueprints on every uplink cost the service, in paired runs.

The CPU time of the service for each uplink counts, which other processes on the machine disturb little: a
service that is busy takes as many more uplinks as each costs less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import processes
from bench.figures import Figure, at_least
from bench.load import PAYLOAD
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import check_file

SENSORS = 1000
RATE = 4000
"""uplinks/s: near what the service delivers by MQTT, so that its batches are full"""
GOAL = 0.85
PATIENCE = 60.0
"""s until all is delivered"""
BLUEPRINT = {
    "version": "1",
    "uplink": [
        {
            "payload": [
                {"name": "kind", "size": 8, "type": "uint"},
                {"name": "counter", "size": 16, "type": "uint"},
                {"name": "temperature", "size": 16, "type": "int", "func": "$ / 100", "unit": "°C"},
                {"name": "humidity", "size": 8, "type": "uint", "unit": "%"},
                {"name": "battery_voltage", "size": 8, "type": "uint", "func": "$ / 50", "unit": "V"},
                {"name": "rest", "size": 64, "type": "uint", "hidden": True},
                {"name": "end", "size": 40, "type": "uint", "hidden": True},
            ]
        }
    ],
}


def prepare(directory: Path, decoded: bool) -> None:
    """Give every sensor the decoder, or none.

    :raises DecodeError: the decoder does not read what the load generator sends.
    """
    processes.write_sensors(directory, SENSORS)
    file = directory / "endpoints.json"
    if decoded:
        entries = [entry | {"decoder": "bench"} for entry in json.loads(file.read_text())]
        file.write_text(json.dumps(entries))
    text = json.dumps(BLUEPRINT)
    decoder, _ = check_file("bench.json", text)
    decoder.decode(Payload(data=bytes(PAYLOAD), kind="uplink", device="bench", received_at=0.0), {})
    decoders = directory / "decoders"
    decoders.mkdir(exist_ok=True)
    (decoders / "bench.json").write_text(text)


def measure(directory: Path, seconds: float, decoded: bool, sink: str) -> float:
    """Return us of the service's CPU time for an uplink, from the base station to the sink.

    :raises RuntimeError: not all is delivered in time.
    """
    prepare(directory, decoded)
    options = ("--stations", 4, "--mode", "open", "--rate", RATE, "--sensors", SENSORS, "--settle", 2)
    with processes.mosquitto(directory) as broker, processes.subscriber(directory, broker) as listener:
        settings: dict[str, Any] = {"SINKS": sink, "MQTT_BROKER": "127.0.0.1", "MQTT_PORT": broker}
        with processes.service(directory, **settings) as service:
            time.sleep(2.0)
            before = service.cpu_time()
            sent = processes.load(directory, service.port, *options, "--seconds", seconds)["acknowledged"]
            deadline = time.monotonic() + PATIENCE
            while sink == "mqtt" and listener.count() < sent:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{listener.count()} of {sent} uplinks were delivered")
                time.sleep(0.1)
            return float((service.cpu_time() - before) / sent * 1e6)


def ratio(directory: Path, seconds: float, sink: str, pairs: int) -> float:
    """Return how many uplinks the service takes with blueprints, as a share of those without.

    By its CPU time, in pairs of runs, of which the median counts.
    """
    ratios = []
    for pair in range(pairs):
        # In turns, so that a machine that grows slower favours neither.
        order = (False, True) if pair % 2 == 0 else (True, False)
        cost = {decoded: measure(directory, seconds, decoded, sink) for decoded in order}
        ratios.append(cost[False] / cost[True])
    return median(ratios)


def figures(directory: Path, seconds: float, pairs: int = 3) -> list[Figure]:
    """Measure ingest alone, and to a subscriber of MQTT."""
    return [
        at_least(
            f"{name} with blueprints / without, by CPU", ratio(directory, seconds, sink, pairs), "", GOAL
        )
        for name, sink in (("ingest", "counting"), ("end to end", "mqtt"))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        processes.prepare(Path(name))
        for figure in figures(Path(name), arguments.seconds, arguments.pairs):
            print(figure)


if __name__ == "__main__":
    main()
