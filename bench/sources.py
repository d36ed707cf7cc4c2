"""Telegrams by the source ``mqtt``: how fast they come through, and what they cost mioty's uplinks.

``python -m bench.sources --port P --count N`` publishes N advertisements with QoS 1, as scanners do.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import lives, processes
from bench.postgres import DEFAULTS
from tests.sinks.postgres.cluster import Cluster

DEVICES = 500
SCANNERS = 10
WINDOW = 200
"""messages of each scanner that wait for the broker's acknowledgement"""
ATC = "{mac}00C8325A0BB80{count:x}"
_RAW = "bt-mqtt/raw/scanner-{}"


def advertisement(number: int) -> bytes:
    """Return a thermometer's advertisement, as a scanner publishes it."""
    device = number % DEVICES
    mac = f"A4C138{device:06X}"
    data = bytes.fromhex(ATC.format(mac=mac, count=number % 16))
    address = ":".join(mac[at : at + 2] for at in range(0, 12, 2))
    body: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"2026-11-28T12:{number // 60000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}Z",
        "scanner_id": f"scanner-{number % SCANNERS}",
        "device": {"address": address, "address_type": "public", "name": f"ATC_{device:06X}", "rssi": -71},
        "service_data": {"0000181a-0000-1000-8000-00805f9b34fb": base64.b64encode(data).decode()},
        "service_uuids": [],
        "raw_data": "",
        "number": number,
    }
    return json.dumps(body).encode()


def publish(port: int, count: int, rate: float) -> float:
    """Publish advertisements with QoS 1 and return the s that it took.

    :param rate: a second; 0: as fast as the broker acknowledges.
    """
    from paho.mqtt.client import Client, MQTTMessageInfo
    from paho.mqtt.enums import CallbackAPIVersion

    client = Client(CallbackAPIVersion.VERSION2, client_id="bench-scanners")
    client.max_inflight_messages_set(WINDOW)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    payloads = [advertisement(number) for number in range(count)]
    began = time.monotonic()
    last: MQTTMessageInfo | None = None
    for number, payload in enumerate(payloads):
        if rate:
            due = began + number / rate
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
        last = client.publish(_RAW.format(number % SCANNERS), payload, qos=1)
    if last is not None:
        last.wait_for_publish(60)
    passed = time.monotonic() - began
    client.disconnect()
    client.loop_stop()
    return passed


@contextmanager
def publishing(port: int, count: int, rate: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """Publish in a process of its own."""
    command = [sys.executable, "-m", "bench.sources", "--port", str(port)]
    command += ["--count", str(count), "--rate", str(rate)]
    with subprocess.Popen(
        command, env=processes.environment(), cwd=processes.ROOT, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def hearing(directory: Path, **settings: object) -> Iterator[tuple[processes.Server, int, int, str]]:
    """Start a broker and the service with the source; the service, both ports, and a token."""
    import shutil

    shutil.rmtree(directory / "data", ignore_errors=True)
    token, web = lives.make_token(directory), processes.free_port()
    with (
        processes.mosquitto(directory, "max_inflight_messages 1000") as broker,
        processes.service(
            directory,
            keep_data=True,
            **{
                "SINKS": "counting",
                "WEB_PORT": web,
                "SOURCES": "mqtt",
                "SOURCE_MQTT_BROKER": "127.0.0.1",
                "SOURCE_MQTT_PORT": broker,
                "SOURCE_RATE": 100000,
                **settings,
            },
        ) as service,
    ):
        time.sleep(2.0)
        yield service, broker, web, token


def figures(web: int, token: str, sink: str = "counting") -> tuple[int, int]:
    """Return the telegrams that were kept, and how many events a sink has taken."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{web}/api/bssci/status", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        status = json.load(answer)
    return status["sources"]["mqtt"]["kept"], status["queue_statistics"][sink]["delivered"]


def stored(directory: Path, count: int) -> float:
    """Return the telegrams a second that come durable and decoded to the tables of a server PostgreSQL."""
    cluster = Cluster(options=DEFAULTS)
    try:
        cluster.start()
        database = cluster.create_database()
        names = {"HOST": cluster.host, "DB": database.name, "USER": cluster.user}
        return rate(
            directory, count, "postgres", **{f"POSTGRES_{name}": value for name, value in names.items()}
        )
    finally:
        cluster.remove()


def rate(directory: Path, count: int, sink: str = "counting", **settings: object) -> float:
    """Return the telegrams a second that come durable and decoded to a sink: one that counts, if not said."""
    hears = hearing(directory, SINKS=sink, **settings)
    with hears as (_, broker, web, token), publishing(broker, count):
        while not (before := figures(web, token, sink)[1]):
            time.sleep(0.01)
        began = time.monotonic()
        while (taken := figures(web, token, sink)[1]) < count and time.monotonic() - began < 60:
            time.sleep(0.1)
        seconds = time.monotonic() - began
    if taken < count:
        raise RuntimeError(f"{taken} of {count} telegrams arrived")
    return (taken - before) / seconds


def main() -> int:
    """Publish, and print how long it took."""
    parser = argparse.ArgumentParser(prog="bench.sources", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()
    print(publish(options.port, options.count, options.rate), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
