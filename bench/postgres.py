"""``python -m bench.postgres``: how fast the sink ``postgres`` stores uplinks.

Each has five readings. The server runs on the same machine, with its defaults and with fsync, and the uplinks
come as from the journal: 500 at once, the next after the last were stored.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from bench import processes
from bench.figures import Figure, at_least, told
from bssci.model import EUI, Decoded, Reading, Reception, Uplink
from bssci.sinks.postgres.sink import PostgresSink
from tests.sinks.postgres.cluster import Cluster, Database

GOAL = 3000
"""uplinks/s at least"""
BATCH = 500
SENSORS = 2000
STATIONS = tuple(EUI(f"CAFE{number:012X}") for number in range(3))
DEFAULTS = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
}
MEASURED = (("temperature", "°C"), ("humidity", "%"), ("pressure", "hPa"), ("voltage", "V"), ("co2", "ppm"))


def uplinks(begin: int, count: int, at: float, decoder: str = "climate@1") -> list[Uplink]:
    """Return uplinks of :data:`SENSORS` sensors, heard by three stations each."""
    return [
        _uplink(number, at + (number - begin) / 10_000, decoder) for number in range(begin, begin + count)
    ]


def _uplink(number: int, at: float, decoder: str) -> Uplink:
    sensor = EUI(f"70B3D56770{number % SENSORS:06X}")
    receptions = [
        Reception(
            end_point_eui=sensor,
            packet_counter=number // SENSORS,
            payload=number.to_bytes(12, "big"),
            base_station_eui=station,
            rx_time=int((at - 2.1) * 1e9),
            snr=12.5 - place,
            rssi=-104.5 - place,
            received_at=at - 2,
        )
        for place, station in enumerate(STATIONS)
    ]
    readings = tuple(Reading(name, (number % 977) / 7, unit) for name, unit in MEASURED)
    decoded = Decoded(decoder=decoder, readings=readings)
    return Uplink(
        at=at, id=f"{number:032x}", known=True, receptions=receptions, duplicates=2, decoded=decoded
    )  # fmt: skip


def _cpu(cluster: Cluster) -> float:
    """Return the s of CPU time that the server and what it started have used."""
    ticks = 0
    for process in cluster.processes():
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(cluster: Cluster, database: Database, seconds: float, write: str) -> dict[str, float]:
    """Return figures by their name."""
    sink = PostgresSink(reactor, database.settings(POSTGRES_WRITE=write), lambda eui: None, time.time)
    sink.start()
    await sink.deliver(uplinks(0, BATCH, time.time()))
    figures: dict[str, float] = {}
    stored = BATCH
    for name, decoder in (("stored", "climate@1"), ("replaced by a better decoder", "climate@2")):
        batches = list(_again(stored) if name != "stored" else _fresh(BATCH, seconds))
        cpu, own, began, stored = _cpu(cluster), _own_cpu(), time.perf_counter(), 0
        for first, at in batches:
            await sink.deliver(uplinks(first, BATCH, at, decoder))
            stored += BATCH
            if time.perf_counter() - began > seconds:
                break
        passed = time.perf_counter() - began
        figures[f"uplinks/s, {name}"] = round(stored / passed)
        figures[f"server CPU ms for 500 uplinks, {name}"] = round((_cpu(cluster) - cpu) / stored * 500e3, 1)
        figures[f"own CPU ms for 500 uplinks, {name}"] = round((_own_cpu() - own) / stored * 500e3, 1)
        if name == "stored":
            figures |= _sizes(database)
    await sink.stop()
    return figures


def _sizes(database: Database) -> dict[str, float]:
    ((raw, reading, rows),) = database.query(
        "SELECT pg_total_relation_size('raw'), pg_total_relation_size('reading'), (SELECT count(*) FROM raw)"
    )
    return {"bytes an uplink in raw": round(raw / rows), "bytes an uplink in reading": round(reading / rows)}


_START = time.time()


def _fresh(first: int, seconds: float) -> Iterator[tuple[int, float]]:
    for number in range(int(seconds * 40)):
        yield first + number * BATCH, _START + number


def _again(stored: int) -> Iterator[tuple[int, float]]:
    return ((first, at) for first, at in _fresh(BATCH, stored / BATCH / 40 + 1) if first < stored)


def figures(seconds: float) -> list[Figure]:
    """Measure in a process of its own, as a reactor runs once.

    :raises SystemExit: PostgreSQL or its driver is not installed.
    """
    command = [sys.executable, "-m", "bench.postgres", "--seconds", str(seconds)]
    run = subprocess.run(
        command, capture_output=True, check=False, text=True, cwd=processes.ROOT, env=processes.environment()
    )
    if run.returncode:
        raise SystemExit(f"the sink postgres cannot be measured: {run.stderr.strip().splitlines()[-1]}")
    found = json.loads(run.stdout)
    rate, again = found["uplinks/s, stored"], found["uplinks/s, replaced by a better decoder"]
    return [
        at_least("sink postgres, 5 readings each", rate, "uplinks/s", GOAL),
        told("the same replaced by a better decoder", again, "uplinks/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of load in each measurement")
    parser.add_argument("--write", choices=("copy", "insert"), default="copy", help="POSTGRES_WRITE")
    arguments = parser.parse_args()
    cluster = Cluster(options=DEFAULTS)
    try:
        cluster.start()

        def run(_: Any) -> Any:
            figures = measure(cluster, cluster.create_database(), arguments.seconds, arguments.write)
            return ensureDeferred(figures).addCallback(
                lambda found: print(json.dumps(found | {"goal, uplinks/s": GOAL}, indent=1))
            )

        react(run)
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
