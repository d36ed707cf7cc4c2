"""``bssci demo``: its own files, and two processes that end together."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bssci.center.devices import endpoints
from bssci.cli import demo, main
from bssci.simulator import cli as simulator_cli
from bssci.simulator.station_options import station_plan_from
from bssci.web.access.accounts import FILE_NAME, LOCK_NAME, AccountFile, token_digest
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.settings import settings_of

ROOT = Path(__file__).parent.parent.parent
SERVICE = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"service stopped\\n"), sys.exit(0)))
open("service", "w").close()
signal.pause()
"""
SIMULATOR = SERVICE.replace("service", "simulator").replace(
    "signal.pause", "print('simulator started', flush=True); signal.pause"
)
STUBBORN = SERVICE.replace('(os.write(1, b"service stopped\\n"), sys.exit(0))', "None").replace(
    "signal.pause()", "[signal.pause() for _ in range(9)]"
)
SUPERVISE = """
import os, sys
from bssci.cli import demo
demo.STOP_TIMEOUT = 0.5
sys.exit(demo.supervise([sys.executable, "-c", {service!r}], [sys.executable, "-c", {simulator!r}],
                        lambda: os.path.exists('service'), "announced"))
"""

Supervise = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    return tmp_path


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a supervisor with stand-ins for service and simulator."""
    started = []

    def start(service: str = SERVICE, simulator: str = SIMULATOR) -> subprocess.Popen[str]:
        code = SUPERVISE.format(service=service, simulator=simulator)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def children_of(process: int) -> list[int]:
    """In the order in which they were started."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def read_until(process: subprocess.Popen[str], last: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == last:
            return
    pytest.fail(f"{last} did not come")


@pytest.mark.parts
@pytest.mark.parametrize("number", demo.SIGNALS)
def test_a_signal_stops_the_simulator_and_then_the_service(supervise: Supervise, number: int) -> None:
    process = supervise()
    read_until(process, "simulator started")
    os.kill(process.pid, number)
    output, errors = process.communicate()
    assert (output.split("\n"), errors, process.returncode) == (
        ["simulator stopped", "service stopped", ""],
        "",
        0,
    )


@pytest.mark.parts
def test_what_does_not_stop_is_killed(supervise: Supervise) -> None:
    process = supervise(service=STUBBORN)
    read_until(process, "simulator started")
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == "simulator stopped\n"
    assert process.returncode == 1


@pytest.mark.parts
def test_a_service_that_ends_takes_the_simulator_along(supervise: Supervise) -> None:
    process = supervise()
    read_until(process, "simulator started")
    (service, *_) = children_of(process.pid)
    os.kill(service, signal.SIGKILL)
    output, errors = process.communicate()
    assert (output, errors) == ("simulator stopped\n", "error: the service ended by itself\n")
    assert process.returncode == 1


@pytest.mark.parts
def test_a_simulator_that_ends_takes_the_service_along(supervise: Supervise) -> None:
    process = supervise(simulator="raise SystemExit(3)")
    output, errors = process.communicate()
    assert "service stopped" in output
    assert (errors, process.returncode) == ("error: the simulator ended by itself\n", 1)


@pytest.mark.parts
def test_without_a_service_no_simulator_is_started(supervise: Supervise) -> None:
    process = supervise(service="raise SystemExit('port taken')")
    output, errors = process.communicate()
    assert (output, process.returncode) == ("", 1)
    assert errors == "port taken\nerror: the service did not start\n"


def test_its_files_are_its_own(directory: Path) -> None:
    place = directory / "data" / "demo"
    chosen = settings_of({"sensor-config-file": str(place / "endpoints.json")}, os.environ)
    demo.prepare(place, chosen)
    sensors = endpoints.read(place / "endpoints.json")
    assert len(sensors) == 20
    assert sorted(each.name for each in (place / "stations").iterdir()) == demo.STATIONS
    assert (directory / "endpoints.json").read_text() == "[]\n"
    demo.prepare(place, chosen)
    assert endpoints.read(place / "endpoints.json") == sensors


def test_its_sensors_are_named_instruments_at_three_places_that_the_decoders_are_for(directory: Path) -> None:
    sensors = demo.demo_sensors()
    assert {len(sensor.tags) for sensor in sensors} == {2}
    assert len({sensor.tags[0] for sensor in sensors}) == 3
    files = [path.read_text() for path in (ROOT / "decoders").glob("*.json")]
    for sensor in sensors:
        assert sensor.type_eui is not None and any(sensor.type_eui in text for text in files)
    assert len({sensor.name for sensor in sensors}) == 20 and sensors[demo.LISTENS].bidirectional


def test_sensors_of_an_older_demo_are_replaced_and_ones_own_are_kept(directory: Path) -> None:
    place = directory / "data" / "demo"
    chosen = settings_of({"sensor-config-file": str(place / "endpoints.json")}, os.environ)
    demo.prepare(place, chosen)
    file = place / "endpoints.json"
    old = [msgspec.structs.replace(sensor, type_eui=None) for sensor in demo.demo_sensors()]
    endpoints.write(file, old)
    demo.prepare(place, chosen)
    assert all(sensor.type_eui for sensor in endpoints.read(file))
    endpoints.write(file, old[:3])
    demo.prepare(place, chosen)
    assert len(endpoints.read(file)) == 3
    endpoints.write(file, [])
    demo.prepare(place, chosen)
    assert len(endpoints.read(file)) == 20, "without sensors the simulator would end, and with it the demo"


def test_a_new_authority_signs_the_stations_anew(directory: Path) -> None:
    place = directory / "data" / "demo"
    chosen = settings_of({"sensor-config-file": str(place / "endpoints.json")}, os.environ)
    demo.prepare(place, chosen)
    for path in (directory / "certs").glob("*.pem"):
        path.unlink()
    assert main(["init"]) == 0
    demo.prepare(place, chosen)
    assert {path.read_bytes() for path in (place / "stations").glob("*/ca_cert.pem")} == {
        (directory / "certs" / "ca_cert.pem").read_bytes()
    }


def test_accounts_and_tokens_are_shared(directory: Path) -> None:
    ours, theirs = directory / "data", directory / "data" / "demo" / "state"
    theirs.mkdir(parents=True)
    (theirs / FILE_NAME).write_text("an old copy")
    for _ in range(2):
        demo.share_accounts(ours, theirs)
    token = AccountFile(ours).create_token("one", "viewer")
    AccountFile(theirs).create_token("two", "viewer")
    for place in (ours, theirs):
        assert [each.name for each in AccountFile(place).read().tokens] == ["one", "two"]
    assert token_digest(token) == AccountFile(theirs).read().tokens[0].digest
    assert (theirs / FILE_NAME).is_symlink() and (theirs / LOCK_NAME).samefile(ours / LOCK_NAME)


@pytest.mark.parts
def test_a_taken_port_names_its_setting(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("LISTEN_HOST", "127.0.0.1")
        monkeypatch.setenv("LISTEN_PORT", str(port))
        monkeypatch.setenv("MQTT_BROKER", "broker.example.org")
        assert main(["demo"]) == 1
    assert capsys.readouterr().err == (
        f"error: LISTEN_PORT: cannot listen on 127.0.0.1:{port}: address already in use; "
        "is it running already? If not, set LISTEN_PORT to another port\n"
    )


def test_the_simulator_understands_its_options(directory: Path) -> None:
    place = directory / "data" / "demo"
    chosen = settings_of({"sensor-config-file": str(place / "endpoints.json")}, os.environ)
    demo.prepare(place, chosen)
    parser = argparse.ArgumentParser()
    simulator_cli.add_arguments(parser)
    command = demo.simulator_command(place, "127.0.0.1", 16018)
    plan = station_plan_from(parser.parse_args(command[2:]))
    assert [f"{station.eui:016X}" for station in plan.stations] == demo.STATIONS
    assert [f"{sensor.eui:016X}" for sensor in plan.sensors] == demo.SENSORS
    assert all(sensor.instrument for sensor in plan.sensors)
    assert (plan.counters, plan.comes_and_goes) == (place / "counters.json", int(demo.STATIONS[2], 16))


def test_simulated_stations_need_a_port(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LISTEN", "systemd:domain=INET:index=0")
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.startswith("error: LISTEN: the simulated base stations need an address")


def test_the_announcement_says_how_to_watch() -> None:
    chosen = settings_of({"mqtt-broker": "embedded", "mqtt-port": "1884"})
    text = demo.announcement(chosen)
    assert "mosquitto_sub -h 127.0.0.1 -p 1884 -v -t 'mioty/#'" in text
    assert "  base stations   TLS on 0.0.0.0 port 16018\n" in text
    assert "  web admin       http://127.0.0.1:5000/ (user admin, with the password that the first" in text
    chosen = settings_of({"mqtt-username": "me", "mqtt-password": "hunter2", "web-tls": "true"})
    text = demo.announcement(chosen)
    assert " https://127.0.0.1:5000/ " in text
    assert "mosquitto_sub -h localhost -p 1883 -u me -P PASSWORD -v -t 'mioty/#'" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "sinks"), [("POSTGRES_HOST", "--sinks=mqtt,log,postgres"), ("BASE_TOPIC", None)]
)
def test_tables_are_filled_where_a_server_is_named(
    name: str, sinks: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def supervise(service: list[str], *_: object) -> int:
        asked.extend(service)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "db.example.org")
    monkeypatch.setattr(demo, "supervise", supervise)
    monkeypatch.setattr(demo, "listening_problems", lambda places: ())
    monkeypatch.setattr(demo, "Timer", lambda *_: SimpleNamespace(start=lambda: None))
    assert main(["init"]) == 0
    assert main(["demo"]) == 0
    assert [each for each in asked if each.startswith("--sinks")] == ([sinks] if sinks else [])


@pytest.mark.parts
@pytest.mark.mosquitto
def test_a_downlink_is_requested_in_silence(
    mosquitto: Callable[..., Mosquitto], capfd: pytest.CaptureFixture[str]
) -> None:
    broker = mosquitto()
    chosen = settings_of({"mqtt-broker": broker.host, "mqtt-port": str(broker.port)})
    demo.send_downlink(chosen, attempts=1)
    assert capfd.readouterr() == ("", "")


__all__ = ["mosquitto"]
