"""``python -m bench.compare CHECKOUT``: the service of another checkout and that of this one, in turns.

Both get the same load from this checkout's generator. Costs are told as CPU time of the service, all threads,
which suffers least from what else the machine does; the least of several turns counts.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import lives, processes
from bench.processes import Server

Costs = dict[str, float]
"""measured values by name; less is better"""

STATIONS = ("--stations", 4, "--in-flight", 256)
MB = 1024 * 1024
PAGES = ("/", "/sensors", "/stations", "/live", "/certificates", "/metrics", "/api/sensors")
START_TIME = 2.0
"""s after which the start does not count any more"""
VIEWS = 40
"""requests of each page"""


class Checkout:
    """A service to measure.

    :param root: directory of the checkout; it has a virtual environment of its own, or uses ours.
    """

    def __init__(self, root: Path, directory: Path, seconds: float) -> None:
        self.root = root
        self._directory = directory
        self._seconds = seconds
        directory.mkdir()
        processes.prepare(directory, root)

    @contextmanager
    def _service(self, sensors: int, *, keep_data: bool = False, **settings: object) -> Iterator[Server]:
        processes.write_sensors(self._directory, sensors)
        with processes.service(self._directory, keep_data=keep_data, root=self.root, **settings) as service:
            time.sleep(START_TIME)
            yield service

    def start(self) -> Costs:
        """Start with 10 000 sensors, with a web admin and without."""
        costs = {}
        for name, port in (("", "0"), (" with web admin", str(processes.free_port()))):
            with self._service(10_000, SINKS="counting", WEB_PORT=port) as service:
                costs[f"start{name}, 10 000 sensors, ms"] = service.cpu_time() * 1000
                costs[f"memory{name}, 10 000 sensors, MB"] = service.memory() / MB
        return costs

    def silence(self) -> Costs:
        """Look for silent sensors, in a process of the checkout."""
        program = (
            "import time; time.perf_counter = time.process_time; from bench import lives;"
            "print(min(lives.look_for_silence(10_000) for _ in range(3)))"
        )
        command = [processes.program("python", self.root), "-c", program]
        run = subprocess.run(
            command,
            cwd=self.root,
            env=processes.environment(self.root),
            check=True,
            capture_output=True,
            text=True,
        )
        return {"look for silence, 10 000 sensors, ms": float(run.stdout)}

    def ingest(self) -> Costs:
        """Take uplinks as fast as possible."""
        with self._service(1000, SINKS="counting") as service:
            return {"durable ingest, us an uplink": self._loaded(service)}

    def downlinks(self) -> Costs:
        """Take uplinks as fast as possible while 100 000 downlinks are queued."""
        shutil.rmtree(self._directory / "data", ignore_errors=True)
        lives.fill_downlinks(self._directory, 100_000, 1000, self.root)
        with self._service(1000, keep_data=True, SINKS="counting") as service:
            self._loaded(service)
            return {"ingest with 100 000 downlinks, us an uplink": self._loaded(service, "--settle", 4)}

    def end_to_end(self) -> Costs:
        """Take uplinks and publish them at mosquitto."""
        with (
            processes.mosquitto(self._directory) as broker,
            self._service(1000, SINKS="mqtt", MQTT_BROKER="127.0.0.1", MQTT_PORT=broker) as service,
        ):
            return {"end to end by MQTT, us an uplink": self._loaded(service, "--settle", 1, rest=4.0)}

    def latency(self) -> Costs:
        """Acknowledge 5 000 uplinks/s."""
        with self._service(1000, SINKS="counting") as service:
            result = processes.load(
                self._directory, service.port, "--stations", 4, "--mode", "open", "--rate", 5000,
                "--seconds", self._seconds,
            )  # fmt: skip
        return {f"uplink to ulDataRsp at 5 000/s, {p}, ms": result["latency_ms"][p] for p in ("p50", "p99")}

    def attach(self) -> Costs:
        """Tell a fresh station of 10 000 sensors."""
        with self._service(10_000, SINKS="counting") as service:
            began = service.cpu_time()
            result = processes.load(
                self._directory, service.port, "--measure", "attach", "--stations", 1, "--attachments", 10_000
            )
            taken = (service.cpu_time() - began) / 10_000
        return {"attPrp, us": taken * 1e6, "slowest ping meanwhile, ms": result["ping_ms"]["max"]}

    def attach_command(self) -> Costs:
        """Attach 1 000 sensors at four stations by one command."""
        web = processes.free_port()
        shutil.rmtree(self._directory / "data", ignore_errors=True)
        token = lives.make_token(self._directory, root=self.root)
        with (
            self._service(1000, keep_data=True, SINKS="counting", WEB_PORT=web) as service,
            lives.answering_stations(self._directory, service.port, 4),
        ):
            time.sleep(4.0)
            began = service.cpu_time()
            seconds, _ = lives.attach_all(web, token)
            taken = service.cpu_time() - began
        return {"attach 1 000 sensors at 4 stations, s": seconds, "the same, s of CPU": taken}

    def stations(self) -> Costs:
        """Let 300 stations connect at once, and leave them idle."""
        count = 300
        with self._service(0, SINKS="counting", MAX_CONNECTIONS_PER_HOST=count) as service:
            began, before = service.cpu_time(), service.memory()
            with processes.idle_stations(self._directory, service.port, count):
                time.sleep(2.0)
                taken = (service.cpu_time() - began) / count
                each = (service.memory() - before) / count
        return {"station that connects, ms": taken * 1000, "idle station, KB": each / 1024}

    def pages(self) -> Costs:
        """Look at pages after some thousand uplinks."""
        web = processes.free_port()
        shutil.rmtree(self._directory / "data", ignore_errors=True)
        token = lives.make_token(self._directory, root=self.root)
        with self._service(1000, keep_data=True, SINKS="counting", WEB_PORT=web) as service:
            processes.load(
                self._directory, service.port, "--stations", 4, "--mode", "open", "--rate", 1000,
                "--seconds", 3,
            )  # fmt: skip
            time.sleep(3.0)
            paths = {path: path for path in PAGES} | {"/sensors/EUI": f"/sensors/{processes.first_sensor()}"}
            return {f"{name}, ms": self._view(service, web, token, path) for name, path in paths.items()}

    def _view(self, service: Server, port: int, token: str, path: str) -> float:
        """Return the ms of CPU for one view."""
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(VIEWS + 3):
            if number == 3:
                began = service.cpu_time()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
        return (service.cpu_time() - began) / VIEWS * 1000

    def _loaded(self, service: Server, *more: object, rest: float = 0.0) -> float:
        """Return the us of CPU for one uplink.

        :param rest: s in which what was taken is still delivered.
        """
        began = service.cpu_time()
        result = processes.load(
            self._directory, service.port, *STATIONS, "--sensors", 1000, "--seconds", self._seconds, *more
        )
        time.sleep(rest)
        return (service.cpu_time() - began) / float(result["acknowledged"]) * 1e6


MEASURES = (
    "start", "silence", "ingest", "downlinks", "end_to_end", "latency",
    "attach", "attach_command", "stations", "pages",
)  # fmt: skip


def main() -> None:
    """Print a table: the least and the median of each, and the ratio of the least."""
    parser = argparse.ArgumentParser(prog="bench.compare", description=__doc__)
    parser.add_argument("checkout", type=Path, help="directory of the other checkout")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load in each measurement")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, metavar="MEASURE")
    options = parser.parse_args()
    heads = ("other: least", "median", "this: least", "median", "ratio")
    print(f"{'less is better':48}" + "".join(f"{head:>13}" for head in heads), flush=True)
    with tempfile.TemporaryDirectory(prefix="bssci-bench-") as name:
        checkouts = [
            Checkout(root, Path(name) / word, options.seconds)
            for word, root in (("other", options.checkout.resolve()), ("this", processes.ROOT))
        ]
        for measure in options.only:
            found: dict[str, tuple[list[float], list[float]]] = {}
            for _ in range(options.turns):
                for position, checkout in enumerate(checkouts):
                    costs: Callable[[], Costs] = getattr(checkout, measure)
                    for what, value in costs().items():
                        found.setdefault(what, ([], []))[position].append(value)
            for what, (other, this) in found.items():
                shown = "".join(f"{min(each):13.2f}{median(each):13.2f}" for each in (other, this))
                print(f"{what:48}{shown}{min(this) / min(other):13.2f}", flush=True)


if __name__ == "__main__":
    main()
