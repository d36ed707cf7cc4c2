"""``python -m bench.decoding``: what blueprints on every uplink cost the service, in runs in turns.

The CPU time of the service for each uplink counts, which other processes on the machine disturb little: a
service that is busy takes as many more uplinks as each costs less.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import processes
from bench.figures import Figure, at_least
from bench.load import PAYLOAD
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import check_file

SENSORS = 1000
RATE = 4000
"""uplinks/s by MQTT"""
GOAL = 0.85
PATIENCE = 60.0
"""s until all is delivered"""
DRAIN = 2.5
"""s until the last windows have ended and a sink that counts has all"""
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

Delivered = Callable[[], int] | None
"""function that counts the uplinks that a sink has delivered; None: nobody has to wait for that"""


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


@contextmanager
def running(directory: Path, decoded: bool, sink: str) -> Iterator[tuple[processes.Server, Delivered]]:
    """Start a service in a directory of its own; how many uplinks were delivered is told where it matters."""
    directory.mkdir()
    processes.prepare(directory)
    prepare(directory, decoded)
    if sink != "mqtt":
        with processes.service(directory, SINKS=sink) as service:
            yield service, None
        return
    with (
        processes.mosquitto(directory) as broker,
        processes.subscriber(directory, broker) as listener,
        processes.service(directory, SINKS=sink, MQTT_BROKER="127.0.0.1", MQTT_PORT=broker) as service,
    ):
        yield service, listener.count


def measure(directory: Path, seconds: float, service: processes.Server, delivered: Delivered) -> float:
    """Return us of the service's CPU time for an uplink, from the base station to the sink.

    :raises RuntimeError: not all is delivered in time.
    """
    options: tuple[object, ...] = ("--stations", 4, "--sensors", SENSORS, "--seconds", seconds, "--settle", 1)
    # Into a sink that takes all, as much as the service can; else what it takes, so that no backlog grows.
    options += ("--in-flight", 256) if delivered is None else ("--mode", "open", "--rate", RATE)
    before, already = service.cpu_time(), 0 if delivered is None else delivered()
    sent = processes.load(directory, service.port, *options)["acknowledged"]
    deadline = time.monotonic() + PATIENCE
    while delivered is not None and delivered() - already < sent:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{delivered() - already} of {sent} uplinks were delivered")
        time.sleep(0.1)
    if delivered is None:
        time.sleep(DRAIN)
    return float((service.cpu_time() - before) / sent * 1e6)


def ratio(directory: Path, seconds: float, sink: str, pairs: int) -> float:
    """Return how many uplinks the service takes with blueprints, as a share of those without.

    By its CPU time, of which the least of several runs counts: what else the machine does only adds to it.
    Two services are there all the time, of which one at a time has something to do.
    """
    costs: dict[bool, list[float]] = {False: [], True: []}
    places = {decoded: directory / f"{sink}-{'decoded' if decoded else 'raw'}" for decoded in (False, True)}
    with running(places[False], False, sink) as raw, running(places[True], True, sink) as decoded:
        services = {False: raw, True: decoded}
        for which in (False, True):  # what both have to do once
            measure(places[which], 1.0, *services[which])
        for pair in range(pairs):
            # In turns, so that a machine that grows slower favours neither.
            order = (False, True) if pair % 2 == 0 else (True, False)
            for which in order:
                costs[which].append(measure(places[which], seconds, *services[which]))
            told = f"{sink}: {costs[False][-1]:.1f} us without, {costs[True][-1]:.1f} us with blueprints"
            print(told, file=sys.stderr)
    return min(costs[False]) / min(costs[True])


def figures(directory: Path, seconds: float, pairs: int = 5) -> list[Figure]:
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
        for figure in figures(Path(name), arguments.seconds, arguments.pairs):
            print(figure)


if __name__ == "__main__":
    main()
