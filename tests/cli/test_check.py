"""``bssci check``: each fault in words, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bssci.cli import check, main
from bssci.cli.check import free_bytes
from bssci.cli.findings import is_running
from bssci.extensions import discover
from bssci.journal import no_service
from bssci.mqtt.trial import try_broker

pytestmark = pytest.mark.parts


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int, taken_port: int) -> Path:
    """A healthy installation; of its broker see ``tests/mqtt/test_trial.py``."""
    monkeypatch.setattr("bssci.mqtt.settings.try_broker", lambda *_: "")
    monkeypatch.setattr(check, "free_bytes", lambda directory: 1 << 40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LISTEN_HOST", "127.0.0.1")
    monkeypatch.setenv("LISTEN_PORT", str(free_port))
    monkeypatch.setenv("MQTT_BROKER", "127.0.0.1")
    monkeypatch.setenv("MQTT_PORT", str(taken_port))
    monkeypatch.setenv("WEB_PORT", "0")
    assert main(["init"]) == 0
    return tmp_path


def report(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], list[str]]:
    """Exit status, what is ok, what is not."""
    capsys.readouterr()
    status = main(["check"])
    lines = capsys.readouterr().out.splitlines()
    good = [line for line in lines if line.startswith("ok: ")]
    return status, good, [line for line in lines if line not in good]


def test_a_healthy_installation(capsys: pytest.CaptureFixture[str], free_port: int, taken_port: int) -> None:
    status, good, bad = report(capsys)
    assert (status, bad) == (0, [])
    assert good[0] == "ok: settings"
    assert good[1].startswith("ok: certificates: valid until ")
    assert good[2:] == [
        "ok: endpoints.json: 0 sensors",
        "ok: data: can be read and written",
        f"ok: LISTEN_PORT: 127.0.0.1:{free_port} is free",
        "ok: MQTT: a connection can be made",
        "ok: sink log: can be built",
    ]


def test_certificates_are_warned_of_as_early_as_alarms(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALARM_CERTIFICATE_DAYS", "2000")
    status, _, [warning] = report(capsys)
    assert status == 0 and warning.startswith("warning: certs/service_center_cert.pem: expires on")


def test_a_taken_port_of_the_web_admin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    monkeypatch.setenv("WEB_PORT", str(taken_port))
    status, _, bad = report(capsys)
    assert status == 1
    assert bad[0].startswith(f"error: WEB_PORT: cannot listen on 127.0.0.1:{taken_port}")


@pytest.mark.parametrize(
    ("free", "said"),
    [
        (99, "error: data: only 99 MB are free on its disk, too little to store uplinks safely"),
        (
            5000,
            "warning: data: 5000 MB are free on its disk, and the journal may grow to JOURNAL_MAX_SIZE=10240",
        ),
    ],
)
def test_a_disk_with_too_little_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    monkeypatch.setattr(check, "free_bytes", lambda directory: free * check.MEGABYTE)
    status, _, [bad] = report(capsys)
    assert status == int(free < check.LEAST_ROOM)
    assert bad.startswith(said)


def test_a_directory_that_does_not_exist_yet_has_the_room_of_its_disk(directory: Path) -> None:
    free = shutil.disk_usage(directory).free
    assert free_bytes(directory / "not" / "yet") == pytest.approx(free, rel=0.1)


def test_wrong_settings_end_it(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / ".env").write_text("TIMEZONE=Nowhere\nMQTT_QOS=x\n")
    status, good, bad = report(capsys)
    assert (status, good) == (1, [])
    assert bad[0].startswith("error: TIMEZONE='Nowhere' (.env): ")
    assert bad[1].startswith("error: MQTT_QOS='x' (.env): ")


def test_an_unknown_setting_is_a_warning(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / ".env").write_text("LISTEN_PROT=1\n")
    status, _, bad = report(capsys)
    assert (status, bad) == (0, ["warning: .env line 1: LISTEN_PROT is not a setting; LISTEN_PORT is"])


def test_a_replacement_that_was_damaged_is_a_warning(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    (directory / "data" / "replacement.damaged").mkdir()
    status, _, bad = report(capsys)
    assert (status, bad) == (
        0,
        [
            "warning: data/replacement.damaged: files that belonged together were damaged and not replaced:"
            " repeat the change, then remove it"
        ],
    )


def test_every_fault_is_reported(
    capsys: pytest.CaptureFixture[str], directory: Path, monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    (directory / "certs/service_center_key.pem").write_text("")
    (directory / "endpoints.json").write_text(json.dumps([{"eui": "70B3D56770110001"}, 1]))
    shutil.rmtree(directory / "data")
    (directory / "data").touch()
    monkeypatch.setenv("LISTEN_PORT", str(taken_port))
    status, good, bad = report(capsys)
    assert status == 1
    assert bad == [
        "error: certs/service_center_key.pem: holds no PEM private key; set KEY_FILE to a file that does",
        "error: endpoints.json: entry 1 (70B3D56770110001): nwKey: is missing; shortAddr: is missing;"
        " bidi: is missing; not used",
        "error: endpoints.json: entry 2: entry: must be an object; not used",
        "error: STATE_DIR=data: cannot be used (file exists); change its owner or mode, or set another",
        f"error: LISTEN_PORT: cannot listen on 127.0.0.1:{taken_port}: address already in use; "
        "stop what listens there, or set LISTEN_PORT to another port",
    ]
    assert good == [
        "ok: settings",
        "ok: endpoints.json: 0 sensors",
        "ok: MQTT: a connection can be made",
        "ok: sink log: can be built",
    ]


def test_a_journal_that_would_not_open(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "data" / "journal.sqlite").write_text("no journal")
    status, _, bad = report(capsys)
    assert status == 1
    assert bad[0].startswith("error: data/journal.sqlite: is not a journal")


def test_a_certificate_of_the_web_admin_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_TLS", "true")
    monkeypatch.setenv("WEB_CERT_FILE", "web.pem")
    monkeypatch.setenv("WEB_KEY_FILE", "web_key.pem")
    monkeypatch.setenv("WEB_PORT", "5000")
    monkeypatch.setattr(check, "listening_problems", lambda places: [])
    status, _, bad = report(capsys)
    assert status == 1
    assert len(bad) == 1 and bad[0].startswith("error: web.pem: ") and "WEB_CERT_FILE" in bad[0]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"another's"])
def test_an_authority_that_can_issue_nothing_is_told_before_it_is_needed(
    content: bytes, capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    key = directory / "certs" / "ca_key.pem"
    if content == b"another's":
        content = key.with_name("service_center_key.pem").read_bytes()
    key.write_bytes(content)
    status, _, bad = report(capsys)
    [line] = bad
    assert status == 0
    assert line.startswith("warning: certs/ca_key.pem: ") and "restore" in line
    assert line.endswith("; until then no certificates can be issued or revoked")


def test_an_authority_of_somebody_else_needs_no_key_here(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    (directory / "certs" / "ca_key.pem").unlink()
    assert report(capsys)[2] == []


def test_no_broker_is_needed_without_its_sink(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("SINKS", "log")
    monkeypatch.setenv("MQTT_PORT", str(free_port))
    status, good, bad = report(capsys)
    assert (status, bad) == (0, [])
    assert not any("MQTT" in line for line in good)


def test_a_missing_state_directory_will_be_made(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    shutil.rmtree(directory / "data")
    status, _, bad = report(capsys)
    assert (status, bad) == (
        0,
        ["warning: data: does not exist yet; `bssci init` or the first start creates it"],
    )


@pytest.mark.parametrize(("name", "value"), [("STATE_DIR", "/proc/x"), ("LOG_FILE", "/proc/x/bssci.log")])
def test_places_that_nobody_could_make(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    status, _, bad = report(capsys)
    assert status == 1
    assert len(bad) == 1 and bad[0].startswith(f"error: {name}={value}: cannot be ")


def test_a_broker_that_does_not_take_us(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setattr("bssci.mqtt.settings.try_broker", try_broker)
    monkeypatch.setenv("MQTT_PORT", str(free_port))
    status, _, bad = report(capsys)
    assert (status, bad) == (
        1,
        [
            f"error: MQTT: 127.0.0.1:{free_port} does not answer: connection refused; "
            "start it, or set MQTT_BROKER (embedded: one of our own) and MQTT_PORT"
        ],
    )


def test_the_embedded_broker_needs_its_port_and_its_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    monkeypatch.setenv("MQTT_BROKER", "embedded")
    monkeypatch.setattr("bssci.mqtt.trial.find_spec", lambda name: None)
    monkeypatch.setattr("bssci.mqtt.settings.try_broker", try_broker)
    monkeypatch.setattr("bssci.mqtt.trial._is_broker", lambda port: False)
    status, _, bad = report(capsys)
    assert (status, bad) == (
        1,
        [
            f"error: MQTT_PORT: cannot listen on 127.0.0.1:{taken_port}: address already in use; "
            "stop what listens there, or set MQTT_PORT to another port",
            "error: MQTT: the embedded broker is not installed: pip install bssci[broker]",
        ],
    )


def test_ports_of_the_running_service_are_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, directory: Path, taken_port: int
) -> None:
    monkeypatch.setenv("LISTEN_PORT", str(taken_port))
    with no_service(directory / "data"):
        status, good, bad = report(capsys)
    assert (status, bad) == (0, [])
    assert "ok: ports: in use by the running service" in good
    (directory / "data/lock").write_text(f"{os.getppid()}\n")
    status, _, [problem] = report(capsys)
    assert status == 1 and problem.startswith(f"error: LISTEN_PORT: cannot listen on 127.0.0.1:{taken_port}")


def test_a_port_of_browsers_tells_that_the_service_runs_where_it_inherits_that_of_stations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, directory: Path, taken_port: int
) -> None:
    monkeypatch.setenv("LISTEN", "systemd:domain=INET:index=0")
    monkeypatch.setenv("WEB_PORT", str(taken_port))
    with no_service(directory / "data"):
        assert "ok: ports: in use by the running service" in report(capsys)[1]


def test_a_port_of_stations_that_waits_for_a_restart_hides_no_running_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, directory: Path, taken_port: int
) -> None:
    monkeypatch.setenv("WEB_PORT", str(taken_port))
    with no_service(directory / "data"):
        assert "ok: ports: in use by the running service" in report(capsys)[1]


def test_who_held_the_state_last_is_not_running_if_he_is_gone(directory: Path) -> None:
    environ = {"LISTEN": "systemd:domain=INET:index=0", "WEB_PORT": "0", "STATE_DIR": str(directory / "data")}
    catalogue = discover().catalogue
    chosen = catalogue.load({}, environ, directory / "no.env").settings
    with no_service(directory / "data"):
        assert is_running(chosen, [])
    gone = subprocess.Popen(["true"])
    gone.wait()
    (directory / "data/lock").write_text(f"{gone.pid}\n")
    assert not is_running(chosen, [])


def test_a_sink_says_what_it_finds(
    capsys: pytest.CaptureFixture[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SINKS", "log,postgres")
    with (directory / ".env").open("a") as file:
        file.write(f"POSTGRES_HOST={directory}\nPOSTGRES_PASSWORD=not-to-be-told\n")
    status, _, bad = report(capsys)
    assert status == 1
    (line,) = bad
    assert line.startswith("error: postgres: ") and "No such file" in line and "not-to-be-told" not in line
    monkeypatch.setenv("POSTGRES_PORT", "none")
    status, _, bad = report(capsys)
    assert (status, bad) == (
        1,
        ["error: POSTGRES_PORT='none' (environment): must be a whole number from 1 to 65535"],
    )


def test_too_few_descriptors_are_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "raise_limit", lambda: 1024)
    status, _, [warning] = report(capsys)
    assert status == 0
    assert warning.startswith("warning: 1024 file descriptors are allowed, MAX_CONNECTIONS=")


def test_devices_whose_certificates_end_and_a_damaged_registry_are_warnings(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    registry = directory / "certs" / "devices" / "device_registry.json"
    registry.parent.mkdir()
    device = {
        "mac_address": "", "registered_at": "2020-01-01T00:00:00Z", "certificate_serial": "1",
        "certificate_expires": "2021-01-01T00:00:00Z",
    }  # fmt: skip
    registry.write_text(json.dumps({f"d{number}": device for number in range(7)}))
    status, good, [warning] = report(capsys)
    assert status == 0
    assert "ok: certs/devices/device_registry.json: 7 devices" in good
    assert warning == (
        "warning: certificates of devices expire soon or have expired: d0, d1, d2, d3, d4 and 2 more; "
        "renew them"
    )
    registry.write_text("{")
    assert "is damaged" in report(capsys)[2][0]
    registry.write_text("{}")
    (registry.parent / "changes.json").write_text("{")
    [warning] = report(capsys)[2]
    assert warning.startswith("warning: certs/devices/changes.json: is damaged: ")
    assert "remove it" in warning


@pytest.mark.parametrize("name", ["accounts.json", "sessions.json"])
def test_accounts_that_cannot_be_read_are_an_error(
    capsys: pytest.CaptureFixture[str], directory: Path, name: str
) -> None:
    (directory / "data" / name).unlink(missing_ok=True)
    (directory / "data" / name).mkdir()
    status, _, bad = report(capsys)
    assert (status, bad) == (1, [f"error: data/{name}: cannot be read (is a directory)"])


def test_damaged_sessions_are_a_warning(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "data" / "sessions.json").write_bytes(b'[{"digest": "a\xff"}]')
    status, _, bad = report(capsys)
    assert (status, bad) == (
        0,
        ["warning: data/sessions.json: is damaged; 1 of its sessions are lost, log in again"],
    )


def test_the_ways_to_tell_of_alarms_are_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], taken_port: int, free_port: int
) -> None:
    monkeypatch.setenv("ALARM_WEBHOOK_URL", f"http://127.0.0.1:{taken_port}/hook")
    monkeypatch.setenv("ALARM_MAIL_HOST", "127.0.0.1")
    monkeypatch.setenv("ALARM_MAIL_PORT", str(free_port))
    monkeypatch.setenv("ALARM_MAIL_TO", "ops@example.org")
    status, good, bad = report(capsys)
    assert (status, good[-1]) == (
        0,
        f"ok: ALARM_WEBHOOK_URL: http://127.0.0.1:{taken_port} is there; nothing was posted",
    )
    assert f"warning: ALARM_MAIL_HOST: 127.0.0.1:{free_port}: connection refused" in bad
