"""``python -m bench.charts``: the page with the charts of a year of one sensor, in a journal with others."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from twisted.internet import task
from twisted.internet.defer import ensureDeferred

from bench import lives, processes
from bench.decoding import BLUEPRINT
from bench.figures import Figure, at_most, told
from bench.load import PAYLOAD
from bssci.journal import open_journal
from bssci.model import EUI, Reception, Uplink
from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION

UPLINKS = 35_000
"""of the sensor: one each quarter of an hour"""
OTHERS = 3
"""sensors that send as often"""
SPAN = 365 * 86400.0
BATCH = 4000
GOAL = 500
"""ms that a chart may take"""


def fill(directory: Path) -> None:
    """Leave a year of uplinks in the journal of a service that does not run; in a process of its own."""
    command = [sys.executable, "-m", "bench.charts", "--fill", str(directory / "data")]
    subprocess.run(command, check=True, cwd=processes.ROOT, env=processes.environment())


async def _fill(reactor: Any, directory: Path) -> None:
    journal = open_journal(directory, reactor)
    began = time.time() - SPAN
    count = UPLINKS * (1 + OTHERS)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        await journal.events.append([_uplink(number, began + number * SPAN / count) for number in numbers])
    await journal.close()


def _uplink(number: int, at: float) -> Uplink:
    """Return an uplink that two base stations heard."""
    sensor, counter = number % (1 + OTHERS), number // (1 + OTHERS)
    payload = bytearray(PAYLOAD)
    payload[1:3] = counter.to_bytes(2, "big")
    payload[3:5] = (2000 + counter % 96 * 10).to_bytes(2, "big")
    receptions = [
        Reception(
            end_point_eui=EUI(f"{FIRST_SENSOR + sensor:016X}"),
            packet_counter=counter,
            payload=bytes(payload),
            base_station_eui=EUI(f"{FIRST_STATION + station:016X}"),
            rx_time=int(at * 1e9),
            snr=12.5 - station,
            rssi=-104.5 - station,
            received_at=at,
        )
        for station in range(2)
    ]
    return Uplink(at=at, id=f"{number:032x}", known=True, receptions=receptions, duplicates=1)


def prepare(directory: Path) -> None:
    """Give the sensors a decoder, and their uplinks to the journal."""
    processes.write_sensors(directory, 1 + OTHERS)
    file = directory / "endpoints.json"
    file.write_text(json.dumps([entry | {"decoder": "bench"} for entry in json.loads(file.read_text())]))
    shutil.rmtree(directory / "data", ignore_errors=True)
    decoders = directory / "decoders"
    decoders.mkdir(exist_ok=True)
    (decoders / "bench.json").write_text(json.dumps(BLUEPRINT))
    fill(directory)


class Times(NamedTuple):
    """Times of answers, in ms."""

    first: float
    """time of the first look after the start, when all uplinks are read and decoded"""
    cpu: float
    """time that the service is busy with it"""
    later: float
    """median of more, when only what came since is"""


def measure(directory: Path, repeats: int = 7) -> Times:
    """Look at the page again and again.

    :raises RuntimeError: the page does not show all.
    """
    prepare(directory)
    token, port = lives.make_token(directory), processes.free_port()
    with processes.service(directory, keep_data=True, SINKS="counting", WEB_PORT=port) as service:
        time.sleep(3.0)
        before = service.cpu_time()
        first = _look(port, token)
        cpu = service.cpu_time() - before
        return Times(first, cpu * 1000, median(_look(port, token) for _ in range(repeats)))


def _look(port: int, token: str) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/sensors/{FIRST_SENSOR:016X}/readings?range=year",
        headers={"Authorization": f"Bearer {token}"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        page = answer.read().decode()
    taken = time.perf_counter() - began
    if "reading-temperature" not in page:
        raise RuntimeError("the page has no chart")
    return taken * 1000


def figures(directory: Path) -> list[Figure]:
    """Measure the page."""
    times = measure(directory)
    return [
        at_most("charts of a year of one sensor, 35 000 uplinks", times.first, "ms", GOAL),
        told("CPU that it takes", times.cpu, "ms"),
        told("the same again", times.later, "ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill is not None:
        task.react(lambda reactor: ensureDeferred(_fill(reactor, arguments.fill)))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        processes.prepare(directory)
        for figure in figures(directory):
            print(figure)


if __name__ == "__main__":
    main()
