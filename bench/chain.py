"""``python -m bench.chain``: stations at the edge, Kafka, two instances that decode and store; one is killed.

::

    load --TLS--> edge (SINKS=kafka) --raw_iot_data--> first, second (SOURCES=kafka, SINKS=file, one group)

The first instance is killed by ``kill -9`` in the middle, and started again at the end. With ``--join`` a
third one joins the group before that, so that partitions change hands while batches are under way. Then
every uplink that the edge acknowledged must be stored, decoded, by one of them; those of one sensor in
their order.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench import processes
from bench.decoding import BLUEPRINT
from tests.kafka.broker import KafkaBroker

PARTITIONS = 6
SENSORS = 60
PATIENCE = 60.0
"""s until everything must be stored"""


class Outcome(NamedTuple):
    """Counts of the uplinks, by their fate."""

    acknowledged: int
    """uplinks that the edge told its stations it has"""
    stored: int
    """different ones that the instances stored"""
    doubled: int
    """uplinks that are stored more than once: at least once is promised"""
    undecoded: int
    out_of_order: int
    """uplinks that one run of an instance stored after a later one of the same sensor"""
    taken_over: int
    """uplinks that other instances stored of partitions that the first one had before it was killed"""
    joined: int
    """uplinks that the instance stored that joined under load"""


class Instance:
    """One that decodes and stores.

    :param prepared: a directory with certificates and configuration, of which it gets a copy.
    """

    def __init__(self, directory: Path, prepared: Path, servers: str) -> None:
        self.directory = directory
        shutil.copytree(prepared, directory)
        _configure(directory)
        self._settings = {
            "SOURCES": "kafka", "SINKS": "file", "KAFKA_BOOTSTRAP_SERVERS": servers, "FILE_PATH": "out.jsonl",
            "FILE_FSYNC": "batch", "SOURCE_RATE": 10000,
        }  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[processes.Server]:
        with processes.service(self.directory, keep_data=True, **self._settings) as server:
            yield server

    def stored(self) -> list[dict[str, Any]]:
        """Return the uplinks in its file, in their order."""
        file = self.directory / "out.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [said for said in map(json.loads, lines) if said["kind"] == "telegram"]


def _configure(directory: Path) -> None:
    processes.write_sensors(directory, SENSORS)
    file = directory / "endpoints.json"
    file.write_text(json.dumps([entry | {"decoder": "bench"} for entry in json.loads(file.read_text())]))
    decoders = directory / "decoders"
    decoders.mkdir(exist_ok=True)
    (decoders / "bench.json").write_text(json.dumps(BLUEPRINT))


def run(directory: Path, rate: int = 300, seconds: float = 9.0, *, join: bool = False) -> Outcome:
    """Run the chain once.

    :param join: another instance joins after a quarter of the time.
    """
    edge = directory / "edge"
    edge.mkdir()
    processes.prepare(edge)
    processes.write_sensors(edge, SENSORS)
    with ExitStack() as stack:
        broker = stack.enter_context(KafkaBroker())
        broker.make_topic("raw_iot_data", PARTITIONS)
        broker.make_topic("decoded_iot_data", PARTITIONS)
        first, second, third = (
            Instance(directory / name, edge, broker.servers) for name in ("first", "second", "third")
        )
        others = (second, third)
        with ExitStack() as doomed:
            killed = doomed.enter_context(first.running())
            stack.enter_context(second.running())
            server = stack.enter_context(
                processes.service(edge, SINKS="kafka", KAFKA_BOOTSTRAP_SERVERS=broker.servers)
            )
            time.sleep(4.0)  # until both have partitions
            load = _load(edge, server.port, rate, seconds)
            time.sleep(seconds / 4)
            if join:
                stack.enter_context(third.running())
            time.sleep(seconds / 4)
            os.kill(killed.pid, signal.SIGKILL)
            acknowledged = int(
                json.loads(load.communicate(timeout=seconds + 30)[0].splitlines()[-1])["acknowledged"]
            )
        before = first.stored()
        devices = {said["device"] for said in before}

        def taken_over() -> int:
            return sum(said["device"] in devices for other in others for said in other.stored())

        _wait(lambda: taken_over() > 0)
        with first.running():
            _wait(lambda: len({said["id"] for said in _all(first, *others)}) >= acknowledged)
        stored = _all(first, *others)
        ids = {said["id"] for said in stored}
        return Outcome(
            acknowledged=acknowledged,
            stored=len(ids),
            doubled=len(stored) - len(ids),
            undecoded=sum("components" not in said for said in stored),
            out_of_order=_out_of_order(before) + sum(_out_of_order(other.stored()) for other in others),
            taken_over=taken_over(),
            joined=len(third.stored()),
        )


def _all(*instances: Instance) -> list[dict[str, Any]]:
    return [said for instance in instances for said in instance.stored()]


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not until() and time.monotonic() < end:
        time.sleep(0.5)


def _load(directory: Path, port: int, rate: int, seconds: float) -> subprocess.Popen[bytes]:
    bundle = next((directory / "certs" / "stations").iterdir())
    command = [
        sys.executable, "-m", "bench.load", "--host", "127.0.0.1", "--port", str(port), "--json",
        "--bundle", str(bundle), "--stations", "2", "--sensors", str(SENSORS),
        "--mode", "open", "--rate", str(rate), "--seconds", str(seconds),
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=processes.environment(), cwd=processes.ROOT)


def _out_of_order(stored: list[dict[str, Any]]) -> int:
    newest: dict[str, int] = {}
    count = 0
    for said in stored:
        counter = said["envelope"]["cnt"]
        count += counter < newest.get(said["device"], 0)
        newest[said["device"]] = max(counter, newest.get(said["device"], 0))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=300, help="uplinks/s")
    parser.add_argument("--seconds", type=float, default=9.0, help="of load")
    parser.add_argument("--join", action="store_true", help="have a third instance join under load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for field, value in (
            run(Path(name), arguments.rate, arguments.seconds, join=arguments.join)._asdict().items()
        ):
            print(f"{field:14} {value}")


if __name__ == "__main__":
    main()
