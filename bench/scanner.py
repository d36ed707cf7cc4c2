"""``python -m bench.scanner``: what the scanner agent costs, from a bluetoothd on a private bus to a broker.

The bluetoothd is none, but speaks as one; agent and broker are those of an installation. Every advertisement
differs from the last of its device, so that none is thinned out: the dearest that can come.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

from bench import processes
from bench.figures import Figure, at_least, at_most
from tests.scanner.scanning import Bluetooth

RATE = 500
"""advertisements a second"""
DEVICES = 50
GOAL = 30.0
"""percent of a core"""
SERVICE = "0000181a-0000-1000-8000-00805f9b34fb"
SETTLE = 2.0
"""s until the scan runs evenly"""


def feed(bluetooth: Bluetooth, seconds: float, first: int = 0) -> int:
    """Have the adapter hear :data:`RATE` a second; returns how many."""
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while number < passed * RATE:
            place, count = number % DEVICES, first + number
            data = f"A4C138{place:06X}{count & 0xFFFF:04X}325A0BB8{count & 0xFF:02X}"
            address = f"A4:C1:38:00:00:{place:02X}"
            bluetooth.hear(address, name=f"ATC_{place:06X}", rssi=-70, service={SERVICE: data})
            number += 1
        time.sleep(0.005)
    return number


def measure(seconds: float) -> dict[str, float]:
    """Return percent of a core, MB, and messages a second at the broker."""
    with tempfile.TemporaryDirectory(prefix="bssci-bench-") as name, Bluetooth() as bluetooth:
        directory = Path(name)
        with processes.mosquitto(directory) as port:
            configuration = directory / "scanner.yaml"
            configuration.write_text(
                json.dumps({"scanner": {"id": "bench"}, "mqtt": {"broker": "127.0.0.1", "port": port}})
            )
            agent = processes.Server(
                bluetooth.scan("--config", str(configuration), cwd=directory),  # type: ignore[arg-type]
                0,
            )
            while bluetooth.said() not in ("monitor", "discovery"):
                time.sleep(0.05)
            fed = feed(bluetooth, SETTLE)
            with subprocess.Popen(
                ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "bt-mqtt/raw/#", "-F", "x"],
                stdout=subprocess.PIPE,
            ) as subscriber:
                time.sleep(0.5)
                used, began = agent.cpu_time(), time.monotonic()
                feed(bluetooth, seconds, fed)
                passed, cost = time.monotonic() - began, agent.cpu_time() - used
                time.sleep(0.5)
                subscriber.terminate()
                said, _ = subscriber.communicate()
            return {
                "percent": cost / passed * 100,
                "memory": agent.memory() / 2**20,
                "messages": said.count(b"x") / passed,
            }


def figures(seconds: float) -> list[Figure]:
    """Return the agent's costs."""
    found = measure(seconds)
    percent, memory, messages = found["percent"], found["memory"], found["messages"]
    return [
        at_most(f"scanner at {RATE} advertisements/s", percent, "% of CPU", GOAL),
        at_least("messages of the scanner meanwhile", messages, "1/s", 0.98 * RATE),
        at_most("memory of the scanner", memory, "MB", 60),
    ]


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(prog="bench.scanner", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    print(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
