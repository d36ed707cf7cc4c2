"""When live uplinks arrive at a subscriber of MQTT: how long the service took for each."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench import processes

WINDOW = 0.1
"""s: DEDUPLICATION_DELAY, which is taken off the times"""
QUIET = 1.0
"""s without an arrival, after which nothing more is waited for"""


class Arrival(NamedTuple):
    """One live uplink at the subscriber."""

    sensor: str
    sent_at: float
    """Unix seconds of the load generator"""
    delay: float
    """s from its sending to its arrival"""


class Arrivals:
    """Uplinks that have arrived."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def settle(self) -> None:
        """Wait until nothing more arrives."""
        size = -1
        while size != (size := self._file.stat().st_size):
            time.sleep(QUIET)

    def read(self, since: float = 0.0, until: float = math.inf) -> list[Arrival]:
        """Return those that were sent in a span of time, without what a replay delivered again."""
        found = []
        for line in self._file.read_text().splitlines():
            at, topic, text = line.split(" ", 2)
            uplink: dict[str, Any] = json.loads(text)
            sent_at = uplink["rxTime"] / 1e9
            if since <= sent_at < until and not uplink.get("replayed"):
                found.append(Arrival(topic.split("/")[2], sent_at, float(at) - sent_at - WINDOW))
        return found


@contextmanager
def arrivals(directory: Path, broker: int) -> Iterator[Arrivals]:
    """Run a subscriber with QoS 1 that writes down when each uplink arrives, and what it says."""
    file = directory / "arrivals"
    with file.open("wb") as out:
        command = [processes.found("mosquitto_sub"), "-p", str(broker), "-q", "1", "-t", "mioty/ep/+/ul"]
        with subprocess.Popen([*command, "-F", "%U %t %p"], stdout=out) as process:
            try:
                time.sleep(0.5)
                yield Arrivals(file)
            finally:
                process.terminate()


def p99(arrived: Sequence[Arrival]) -> float:
    """Return the s within which 99 % arrived.

    :raises RuntimeError: nothing has arrived.
    """
    if not arrived:
        raise RuntimeError("no uplink has arrived")
    delays = sorted(each.delay for each in arrived)
    return delays[max(0, math.ceil(len(delays) * 0.99) - 1)]
