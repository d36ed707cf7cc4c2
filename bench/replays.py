"""``python -m bench.replays``: live delivery by MQTT while what is kept is delivered again beside it."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import ensureDeferred

from bench import lives, processes
from bench.arrivals import WINDOW, arrivals, p99
from bench.decoding import BLUEPRINT
from bench.figures import Figure, at_most, told
from bench.load import PAYLOAD
from bssci.journal import open_journal
from bssci.model import EUI, Reception, Uplink
from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION

SENSORS = 1000
KEPT = 150_000
"""uplinks that may be delivered again"""
RATE = 500
"""live uplinks/s"""
SPANS = 6
"""parts of the load, with a replay and without in turns"""
BATCH = 5000
GOAL = 1.2


def fill(directory: Path) -> None:
    """Leave uplinks in the journal that the sink ``mqtt`` has taken; in a process of its own."""
    command = [sys.executable, "-m", "bench.replays", "--fill", str(directory / "data")]
    subprocess.run(command, check=True, cwd=processes.ROOT, env=processes.environment())


async def _fill(reactor: Any, directory: Path) -> None:
    journal = open_journal(directory, reactor)
    began = time.time() - 86400
    for first in range(0, KEPT, BATCH):
        await journal.events.append([_uplink(number, began) for number in range(first, first + BATCH)])
    await journal.cursors.move("mqtt", journal.events.last_seq)
    await journal.close()


def _uplink(number: int, began: float) -> Uplink:
    at = began + number / 10
    best = Reception(
        end_point_eui=EUI(f"{FIRST_SENSOR + number % SENSORS:016X}"),
        packet_counter=number // SENSORS,
        payload=bytes(PAYLOAD),
        base_station_eui=EUI(f"{FIRST_STATION:016X}"),
        rx_time=int(at * 1e9),
        snr=12.5,
        rssi=-104.5,
        received_at=at,
    )
    return Uplink(at=at, id=f"{number:032x}", known=True, receptions=[best], duplicates=0)


class Api:
    """Begins and ends replays."""

    def __init__(self, port: int, token: str) -> None:
        self._url = f"http://127.0.0.1:{port}/api/replays"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def begin(self) -> int:
        body = {"sink": "mqtt", "from": 0, "to": "2100-01-01T00:00:00Z", "publish": True}
        return int(self._ask("POST", "", body)["replay"]["id"])

    def end(self, number: int) -> dict[str, Any]:
        """Return how the replay stands in the end."""
        return dict(self._ask("DELETE", f"/{number}")["replay"])

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))


def measure(directory: Path, seconds: float) -> tuple[float, float, float]:
    """Return the p99 of live delivery alone and beside a replay, and the uplinks/s of the replay.

    :param seconds: of load in all.
    """
    processes.write_sensors(directory, SENSORS)
    file = directory / "endpoints.json"
    file.write_text(json.dumps([entry | {"decoder": "bench"} for entry in json.loads(file.read_text())]))
    decoders = directory / "decoders"
    decoders.mkdir(exist_ok=True)
    (decoders / "bench.json").write_text(json.dumps(BLUEPRINT))
    shutil.rmtree(directory / "data", ignore_errors=True)
    fill(directory)
    token, port = lives.make_token(directory, "admin"), processes.free_port()
    options = ("--stations", 4, "--mode", "open", "--rate", RATE, "--sensors", SENSORS, "--settle", 1)
    with processes.mosquitto(directory) as broker, arrivals(directory, broker) as arrived:
        settings: dict[str, Any] = {
            "MQTT_BROKER": "127.0.0.1",
            "MQTT_PORT": broker,
            "DEDUPLICATION_DELAY": WINDOW,
        }
        with processes.service(directory, keep_data=True, SINKS="mqtt", WEB_PORT=port, **settings) as service:
            time.sleep(2.0)
            loading = threading.Thread(
                target=processes.load, args=(directory, service.port, *options, "--seconds", seconds + 4)
            )
            loading.start()
            time.sleep(3.0)
            spans, replayed = _in_turns(Api(port, token), seconds / SPANS)
            loading.join()
            arrived.settle()
    found = arrived.read()
    p99s = [
        p99([one for span in spans if span[0] is beside for one in found if span[1] <= one.sent_at < span[2]])
        for beside in (False, True)
    ]
    return p99s[0], p99s[1], replayed


def _in_turns(api: Api, each: float) -> tuple[list[tuple[bool, float, float]], float]:
    """Return the spans of time with a replay and without, and the uplinks/s of the replays."""
    spans, delivered = [], 0
    for turn in range(SPANS):
        beside = turn % 2 == 1
        number = api.begin() if beside else 0
        began = time.time()
        time.sleep(each)
        spans.append((beside, began, time.time()))
        if beside:
            ended = api.end(number)
            delivered += ended["delivered"]
            if not ended["delivered"]:
                raise RuntimeError(f"the replay delivered nothing: {ended}")
        time.sleep(0.2)
    return spans, delivered / (each * SPANS / 2)


def figures(directory: Path, seconds: float) -> list[Figure]:
    """Measure for some seconds of load."""
    alone, beside, rate = measure(directory, seconds)
    return [
        told("live delivery at 500 uplinks/s, p99", alone * 1000, "ms"),
        at_most("the same beside a replay / alone", beside / alone, "", GOAL),
        told("replay beside it", rate, "uplinks/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=18.0)
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill is not None:
        task.react(lambda reactor: ensureDeferred(_fill(reactor, arguments.fill)))
    with tempfile.TemporaryDirectory() as name:
        processes.prepare(Path(name))
        for figure in figures(Path(name), arguments.seconds):
            print(figure)


if __name__ == "__main__":
    main()
