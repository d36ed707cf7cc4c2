"""``bssci demo``: the service and simulated base stations side by side, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from logging import NullHandler, getLogger
from pathlib import Path
from threading import Thread, Timer
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.publish import single

from bssci.center.devices import endpoints
from bssci.certificates import bundles
from bssci.cli import demo_decoders, demo_gateways
from bssci.cli.chosen import load
from bssci.cli.ports import listening_problems, reachable
from bssci.model import EUI, Sensor, eui_from_int
from bssci.settings.table import Settings, station_places
from bssci.settings.trial import cannot_listen
from bssci.simulator.gateway_options import PASSWORD
from bssci.system.files import prepare_directory
from bssci.system.signals import held_back
from bssci.web.access.accounts import FILE_NAME, LOCK_NAME

STATIONS = [eui_from_int(0xCAFEBA5E00000001 + number) for number in range(3)]
SILENT, LISTENS, FLEETING = 12, 1, 2
"""positions of the sensor that falls silent, the one that gets a downlink, and the station that
disconnects
"""
DOWNLINK_AFTER = 20.0
"""s after the start of the simulator"""
DOWNLINK_ATTEMPTS = 5
"""attempts to request the downlink while the broker is unavailable, with the same delay between them"""
SENSORS = [eui_from_int(0xCAFE5E0000000001 + number) for number in range(20)]
KINDS = {1: "water", 2: "climate", 3: "leak"}
"""tag by type of sensor"""
PLACES = {each.text: each for each in demo_gateways.PLACES}
"""places by their names"""
DEMO = (
    *((1, f"Water meter flat {flat}", "Mill Lane 4") for flat in range(1, 7)),
    (3, "Leak sensor cellar", "Mill Lane 4"),
    (3, "Leak sensor laundry", "Mill Lane 4"),
    (2, "Climate staircase", "Mill Lane 4"),
    *((2, f"Climate class {room}", "School") for room in ("1a", "1b", "2a", "gym")),
    (1, "Water meter", "School"),
    (3, "Leak sensor kitchen", "School"),
    (1, "Water meter", "Town hall"),
    (2, "Climate council chamber", "Town hall"),
    (2, "Climate archive", "Town hall"),
    (3, "Leak sensor archive", "Town hall"),
    (3, "Leak sensor boiler room", "Town hall"),
)
"""type, name and place of each sensor"""
DATABASE = ("POSTGRES_HOST", "POSTGRES_DSN", "POSTGRES_DSN_FILE")
"""settings that name a PostgreSQL server; if one is set, the demo fills its tables"""
RATE = 2.0
"""uplinks a second, each heard by two of the base stations"""
START_TIMEOUT = 30.0
"""s until the service must accept connections"""
STOP_TIMEOUT = 4.5
"""s until processes that have not stopped are killed"""
SIMULATOR_STOP_TIMEOUT = 1.0
"""s of that for the simulator, which stops first, since its summary counts what the service acknowledged"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Process = subprocess.Popen[bytes]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description}; its sensors and state are separate from yours"
    parser.add_argument(
        "--gateways",
        action="store_true",
        help="also Bluetooth scanners and a controller, by MQTT and the source mqtt",
    )


def run(arguments: argparse.Namespace) -> int:
    """Start service and simulator, print how to watch them, and stop both; return 0 after a clean stop."""
    installed, (own, origins, _, _) = load()
    options = _options(own, origins, arguments.gateways)
    chosen = load(options)[1].settings
    station = next(station_places(chosen.values()), None)
    if station is None:
        print("error: LISTEN: the simulated base stations need an address with a TCP port", file=sys.stderr)
        return 1
    problems = list(listening_problems(installed.catalogue.places(chosen)))
    for name, problem in problems:
        print(f"error: {problem}; is it running already? If not, set {name} to another port", file=sys.stderr)
    if problems:
        return 1
    directory = own.state_dir / "demo"
    prepare(directory, chosen)
    for file in demo_decoders.provide(chosen.decoder_dir):
        print(f"created {file}")
    share_accounts(own.state_dir, chosen.state_dir)
    service = [_script("twistd"), "--nodaemon", "--pidfile=", "bssci"]
    service += [f"--{name}={value}" for name, value in options.items()]
    simulator = simulator_command(directory, reachable(station.host), station.port)
    text = announcement(chosen)
    secrets_of_simulator = {}
    if arguments.gateways:
        secrets_of_simulator[PASSWORD] = chosen.value(PASSWORD)
        simulator += _spelled(demo_gateways.simulator_options(chosen))
        Thread(target=demo_gateways.enter, args=[chosen], daemon=True).start()
        text = text.replace("Watch the", f"{demo_gateways.ANNOUNCEMENT}Watch the")
    return supervise(
        service,
        simulator,
        lambda: cannot_listen(station.host, station.port) is not None,
        text,
        secrets_of_simulator,
        lambda: later(send_downlink, chosen, DOWNLINK_ATTEMPTS),
    )


def _options(own: Settings, origins: Mapping[str, str], gateways: bool) -> dict[str, str]:
    """Return the options of the demo's service, by their names; what people have set stays as it is.

    :param own: settings of the installation.
    """
    options = {} if origins["MQTT_BROKER"] != "default" else {"mqtt-broker": "embedded"}
    if origins["SINKS"] == "default" and any(origins[name] != "default" for name in DATABASE):
        options["sinks"] = ",".join((*own.sinks, "postgres"))
    # Short enough for the user to see the warning about the sensor that falls silent.
    quick = {"AUTO_DETACH_WARNING_TIMEOUT": "180", "AUTO_DETACH_CHECK_INTERVAL": "15"}
    options |= {
        name.lower().replace("_", "-"): value for name, value in quick.items() if origins[name] == "default"
    }
    if gateways:
        values = {name: own.value(name) for name in origins}
        options |= demo_gateways.source_options(values, origins, own.sources)
        if origins["SOURCE_MQTT_BROKER"] == "default" and values["MQTT_PASSWORD"]:
            os.environ[PASSWORD] = values["MQTT_PASSWORD"]
    directory = own.state_dir / "demo"
    return options | {
        "state-dir": str(directory / "state"),
        "sensor-config-file": str(directory / "endpoints.json"),
    }


def later(call: Callable[..., object], *arguments: object) -> None:
    """Call a function in a thread after :data:`DOWNLINK_AFTER` s, unless the demo ends before."""
    timer = Timer(DOWNLINK_AFTER, call, arguments)
    timer.daemon = True
    timer.start()


def send_downlink(chosen: Settings, attempts: int) -> None:
    """Request a downlink to a bidirectional sensor by MQTT, as an application would."""
    if "mqtt" not in chosen.sinks or chosen.value("MQTT_TLS") or chosen.value("MQTT_TRANSPORT") != "tcp":
        return
    broker, port = chosen.value("MQTT_BROKER"), chosen.value("MQTT_PORT")
    user, topic = chosen.value("MQTT_USERNAME"), chosen.value("BASE_TOPIC")
    request = {"data": "0101", "ref": "demo", "expires_in": 600}
    # paho logs its own orderly end as an error, and Python prints what no handler takes.
    getLogger("paho").addHandler(NullHandler())
    try:
        single(
            f"{topic}/ep/{SENSORS[LISTENS]}/dl",
            json.dumps(request),
            hostname="127.0.0.1" if broker == "embedded" else broker,
            port=port,
            auth={"username": user, "password": chosen.value("MQTT_PASSWORD")} if user else None,
        )
    except (OSError, ValueError, MQTTException) as error:
        if attempts > 1:
            later(send_downlink, chosen, attempts - 1)
        else:
            print(f"no downlink in this demo: {error}", file=sys.stderr)


def prepare(directory: Path, chosen: Settings) -> None:
    """Create the demo's sensors and base stations unless they exist; a changed CA means new stations."""
    prepare_directory(directory)
    stations = directory / "stations"
    copy = stations / STATIONS[0] / "ca_cert.pem"
    if copy.exists() and copy.read_bytes() != chosen.ca_file.read_bytes():
        shutil.rmtree(stations)
    for eui in STATIONS:
        list(bundles.make_station(chosen.ca_file, stations, eui, datetime.now(UTC)))
    if _lacks_sensors(chosen.sensor_config_file):
        endpoints.write(chosen.sensor_config_file, demo_sensors())


def _lacks_sensors(file: Path) -> bool:
    """Return whether the sensors must be written: there are none, or they are of a version without types."""
    if not file.exists():
        return True
    sensors = endpoints.read(file)
    is_older = [sensor.eui for sensor in sensors] == SENSORS and not any(each.type_eui for each in sensors)
    return not sensors or is_older


def share_accounts(ours: Path, demo: Path) -> None:
    """Share accounts and tokens of ``ours`` with the demo's state directory, by symbolic links."""
    prepare_directory(demo)
    for name in (FILE_NAME, LOCK_NAME):
        link = demo / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(ours / name, demo))


def demo_sensors() -> list[Sensor]:
    """Return meters, climate and leak sensors at three places."""
    return [
        Sensor(
            eui=eui,
            network_key=secrets.token_bytes(16),
            short_address=number,
            bidirectional=number % 2 == 0,
            name=f"{what}, {where}",
            type_eui=EUI(f"02B55C10{kind:08X}"),
            tags=(PLACES[where].tag, KINDS[kind]),
            interval=len(SENSORS) / RATE,
            location=PLACES[where].location,
        )
        for number, (eui, (kind, what, where)) in enumerate(zip(SENSORS, DEMO, strict=True), 1)
    ]


def simulator_command(directory: Path, host: str, port: int) -> list[str]:
    options = {
        "host": host,
        "port": port,
        "bundles": directory / "stations",
        "stations": len(STATIONS),
        "sensor-config": directory / "endpoints.json",
        "copies": 2,
        "rate": RATE,
        "counters": directory / "counters.json",
        "falls-silent": SENSORS[SILENT],
        "comes-and-goes": STATIONS[FLEETING],
    }
    return [_script("bssci"), "simulate", *_spelled(options)]


def _spelled(options: Mapping[str, Any]) -> list[str]:
    return [f"--{name}" if value is None else f"--{name}={value}" for name, value in options.items()]


def announcement(chosen: Settings) -> str:
    """Return a text about what is running, and how to watch it."""
    host, port, name = (chosen.value(f"MQTT_{each}") for each in ("BROKER", "PORT", "USERNAME"))
    broker = "127.0.0.1" if host == "embedded" else host
    kind = ", our own broker" if host == "embedded" else ""
    user = f" -u {name} -P PASSWORD" if name else ""
    topic = chosen.value("BASE_TOPIC")
    places = ", ".join(f"{place.host} port {place.port}" for place in station_places(chosen.values()))
    scheme = "https" if chosen.value("WEB_TLS") else "http"
    web = f"{scheme}://{reachable(chosen.web_host)}:{chosen.web_port}/" if chosen.web_port else "switched off"
    missing = "" if shutil.which("mosquitto_sub") else "  (apt-get install mosquitto-clients)"
    return f"""
The service center is running.
  base stations   TLS on {places}
  MQTT            {broker}:{port}{kind}, topics below {topic}/
  sinks           {", ".join(chosen.sinks)}
  web admin       {web} (user admin, with the password that the first start has shown)
  simulated       {len(STATIONS)} base stations that hear {len(SENSORS)} sensors, {RATE:g} uplinks a second
Watch the uplinks from another terminal:
  mosquitto_sub -h {broker} -p {port}{user} -v -t '{topic}/#'{missing}
Ctrl-C stops everything.
"""


def supervise(
    service_command: Sequence[str],
    simulator_command: Sequence[str],
    ready: Callable[[], bool],
    text: str,
    simulator_environment: Mapping[str, str] = {},
    begun: Callable[[], object] = lambda: None,
) -> int:
    """Run the service and, once it is ``ready``, the simulator, until one of them ends or a signal comes.

    :param ready: returns whether the service accepts connections.
    :param text: text to print when it does.
    :param simulator_environment: environment variables for the simulator in addition to our own.
    :param begun: called when both run.
    :return: 0 after a signal if neither had to be killed, else 1.
    """
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    children: list[Process] = []
    try:
        children.append(_start(service_command))
        if not _wait_until(ready, children[0]):
            print("error: the service did not start", file=sys.stderr)
            return 1
        print(text, flush=True)
        children.append(_start(simulator_command, simulator_environment))
        begun()
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        name = "service" if children[0].poll() is not None else "simulator"
        print(f"error: the {name} ended by itself", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        return 0 if stop(children) else 1
    finally:
        stop(children)


def stop(children: Sequence[Process]) -> bool:
    """Stop the processes, the last one first; return whether none had to be killed."""
    deadline = time.monotonic() + STOP_TIMEOUT
    for child in reversed(children):
        if child.poll() is None:
            child.terminate()
            _wait(child, SIMULATOR_STOP_TIMEOUT if child is not children[0] else deadline - time.monotonic())
    left = [child for child in children if child.poll() is None]
    for child in left:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return not left


def _start(command: Sequence[str], environment: Mapping[str, str] = {}) -> Process:
    # In a session of its own: Ctrl-C reaches only this process, which stops the others in order.
    with held_back(signal.SIGHUP):
        return subprocess.Popen(command, start_new_session=True, env={**os.environ, **environment})


def _wait(child: Process, seconds: float) -> None:
    try:
        child.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return


def _wait_until(ready: Callable[[], bool], service: Process) -> bool:
    deadline = time.monotonic() + START_TIMEOUT
    while service.poll() is None and time.monotonic() < deadline:
        if ready():
            return service.poll() is None
        _wait(service, 0.1)
    return False


def _script(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts")) / name)
