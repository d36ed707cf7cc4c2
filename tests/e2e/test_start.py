"""A start that cannot be says in one line what to change; a daemon runs as well."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support.running_service import free_ports
from tests.support.service import PATIENCE, ServiceProcess, send, until


def bad_env(service: ServiceProcess, taken: int) -> None:
    service.settings["MQTT_QOS"] = 7


def broken_sensors(service: ServiceProcess, taken: int) -> None:
    (service.directory / "endpoints.json").write_text("[{")


def other_key(service: ServiceProcess, taken: int) -> None:
    certificate = service.files.certificate.read_bytes()
    service.files.authority.issue("x", service.files.certificate, service.files.key)
    service.files.certificate.write_bytes(certificate)


def no_certificate(service: ServiceProcess, taken: int) -> None:
    service.files.certificate.unlink()


def taken_port(service: ServiceProcess, taken: int) -> None:
    service.settings["LISTEN_PORT"] = f"{service.port},{taken}"


def bad_host(service: ServiceProcess, taken: int) -> None:
    service.settings["LISTEN_HOST"] = "192.0.2.77"


def broker_port(service: ServiceProcess, taken: int) -> None:
    service.settings |= {"SINKS": "mqtt", "MQTT_BROKER": "embedded", "MQTT_PORT": taken}


def no_sink(service: ServiceProcess, taken: int) -> None:
    service.settings["SINKS"] = "log,pigeon"


def foreign_journal(service: ServiceProcess, taken: int) -> None:
    (service.directory / "data").mkdir()
    (service.directory / "data" / "journal.sqlite").write_bytes(b"not a database" * 1000)


def no_state_directory(service: ServiceProcess, taken: int) -> None:
    (service.directory / "data").write_text("a file")


def log_file(service: ServiceProcess, taken: int) -> None:
    service.settings["LOG_FILE"] = "endpoints.json/log"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (bad_env, r"MQTT_QOS='7' \(\.env\)"),
        (broken_sensors, r"endpoints\.json.*line 1"),
        (other_key, r"service_center_key\.pem.*set KEY_FILE"),
        (no_certificate, r"service_center_cert\.pem.*CERT_FILE"),
        (taken_port, r"LISTEN_PORT=\d+: cannot listen.*set LISTEN_PORT"),
        (bad_host, r"LISTEN_HOST=192\.0\.2\.77"),
        (broker_port, r"MQTT_PORT=\d+.*set MQTT_PORT"),
        (no_sink, r"SINKS: no sink 'pigeon'.*log"),
        (foreign_journal, r"data/journal\.sqlite: .*STATE_DIR"),
        (no_state_directory, r"data.*STATE_DIR"),
        (log_file, r"LOG_FILE=.*endpoints\.json/log"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_line_and_a_status(make_service, spoil, said: str) -> None:
    service = make_service()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        spoil(service, other.getsockname()[1])
        status, output = service.fail("-n", "bssci")
    lines = [line for line in output.splitlines() if line.strip()]
    assert status == 1
    assert re.search(said, lines[-1]), output
    assert len(lines) == 1, output
    assert not (service.directory / "twistd.pid").exists()


async def test_a_daemon_serves_and_logs_to_a_file(make_service, stations) -> None:
    service = make_service()
    parent = service.spawn("--pidfile=twistd.pid", "bssci")
    assert parent.wait(PATIENCE) == 0
    pid = int((service.directory / "twistd.pid").read_text())
    try:
        station = service.station(0xCAFE00000000C001)
        stations.append(station)
        await station.when_connected()
        await send(station, 0x70B3D56770110001, 1)
    finally:
        os.kill(pid, signal.SIGTERM)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    log = (service.directory / "twistd.log").read_text()
    assert "service stopped" in log and "Traceback" not in log
    for stream in (parent.stdout, parent.stderr):
        stream.close()


def test_a_daemon_that_cannot_start_tells_its_parent(make_service) -> None:
    service = make_service()
    other_key(service, free_ports(1)[0])
    status, said = service.fail("bssci")
    assert status == 1
    assert "service_center_key.pem" in said
    assert "KEY_FILE" in (service.directory / "twistd.log").read_text()
    assert not (service.directory / "twistd.pid").exists()
