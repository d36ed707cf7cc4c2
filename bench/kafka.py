"""``python -m bench.kafka``: how fast the sink writes to a broker, and how fast the source reads durably."""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from bench import processes
from bench.postgres import uplinks
from bssci.kafka.producing import KafkaProducer
from bssci.sinks.kafka.sink import KafkaSink
from tests.kafka.broker import KafkaBroker

BATCH = 500
GOAL = 5000
"""messages/s at least"""
PATIENCE = 60.0
"""s until all must be read"""


async def write(servers: str, seconds: float) -> float:
    """Return uplinks/s that the sink wrote, with five readings each, in batches of a service."""
    from confluent_kafka import Producer

    producer = KafkaProducer(reactor, {"bootstrap.servers": servers}, Producer)
    sink = KafkaSink(producer, "raw_iot_data", "decoded", "mioty")
    sink.start()
    batches = [uplinks(number * BATCH, BATCH, time.time()) for number in range(20)]
    await sink.deliver(batches[0])
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        await sink.deliver(batches[count % len(batches)])
        count += 1
    taken = time.monotonic() - begun
    await sink.stop()
    return count * BATCH / taken


def fill(servers: str, count: int) -> None:
    """Write messages of a controller, as a bridge does."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
    for number in range(count):
        topic = f"tele/f2-0011223344{number % 200:02x}/sensor-mode/J1/sensor-3"
        said = {"timestamp": f"2026-01-01 00:00:00.{number:06d}", "data": "01 03 02 00 FA 38 07"}
        body = {"original_topic": topic, "device_id": topic.split("/")[1], "payload": said, "timestamp": 1}
        producer.produce("source", json.dumps(body).encode(), topic.encode())
        producer.poll(0)
    producer.flush(PATIENCE)


def read(directory: Path, servers: str, count: int) -> float:
    """Return telegrams/s that a service takes from a topic to its disk."""
    processes.prepare(directory)
    kafka = {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_RAW_TOPIC": "source"}
    with processes.service(directory, SOURCES="kafka", SINKS="counting", SOURCE_RATE=10_000, **kafka):
        first, begun = 0, 0.0
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            kept = _kept(directory / "data" / "journal.sqlite")
            if kept and not begun:
                first, begun = kept, time.monotonic()
            if kept >= count:
                return (kept - first) / (time.monotonic() - begun)
            time.sleep(0.1)
    raise RuntimeError(f"{kept} of {count} telegrams were read")


def _kept(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM event WHERE kind = 'telegram'").fetchone()[0])


def measure(seconds: float = 5.0) -> dict[str, float]:
    """Return both rates in 1/s, of processes of their own."""
    command = [sys.executable, "-m", "bench.kafka", "--json", "--seconds", str(seconds)]
    run = subprocess.run(
        command, capture_output=True, check=True, text=True, env=processes.environment(), cwd=processes.ROOT
    )
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of writing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    async def run(_: Any) -> None:
        with KafkaBroker() as broker, tempfile.TemporaryDirectory() as name:
            broker.make_topic("raw_iot_data", 4)
            broker.make_topic("decoded", 4)
            broker.make_topic("source", 4)
            written = await write(broker.servers, arguments.seconds)
            count = int(GOAL * arguments.seconds)
            fill(broker.servers, count)
            found = {"sink": written, "source": read(Path(name), broker.servers, count)}
            print(json.dumps(found) if arguments.json else found)

    react(lambda clock: ensureDeferred(run(clock)))


if __name__ == "__main__":
    main()
