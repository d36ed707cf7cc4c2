"""``bssci broker-config``; tests/certificates/test_mosquitto.py starts a broker with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bssci.cli import broker_config as module
from bssci.cli import main


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module.shutil, "which", lambda program: None)
    main(["init"])
    capsys.readouterr()
    return tmp_path


def test_the_files_are_written(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["broker-config", "broker"]) == 0
    said = capsys.readouterr().out
    assert {"mosquitto.conf", "devices.acl", "inside.acl"} <= {
        path.name for path in (directory / "broker").iterdir()
    }
    text = (directory / "broker" / "mosquitto.conf").read_text()
    assert f"cafile {directory}/certs/devices/ca_cert.pem" in text
    assert f"crlfile {directory}/certs/devices/revoked.pem" in text
    assert (directory / "certs/devices/revoked.pem").exists(), "a broker that is to honour it wants it there"
    assert f"mosquitto -c {directory}/broker/mosquitto.conf" in said


def test_without_the_program_for_passwords_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    main(["broker-config", "broker"])
    assert "mosquitto_passwd -c" in capsys.readouterr().out


def test_passwords_that_are_there_are_kept(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "broker").mkdir()
    (directory / "broker" / "passwords").write_text("bssci:hash\n")
    main(["broker-config", "broker"])
    assert f"kept    {directory}/broker/passwords" in capsys.readouterr().out
    assert (directory / "broker" / "passwords").read_text() == "bssci:hash\n"


def test_files_that_people_have_changed_are_kept(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["broker-config", "broker"])
    rules, settings = directory / "broker" / "inside.acl", directory / "broker" / "mosquitto.conf"
    rules.write_text("user wall\ntopic read #\n")
    settings.unlink()
    capsys.readouterr()
    main(["broker-config", "broker"])
    lines = capsys.readouterr().out.splitlines()
    assert rules.read_text() == "user wall\ntopic read #\n"
    assert f"kept    {rules}, which has been changed; remove it to have it written anew" in lines
    assert f"kept    {rules.with_name('devices.acl')}" in lines
    assert f"created {settings}" in lines


def test_a_user_without_a_name_can_write_them(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert main(["broker-config", "broker"]) == 0
    assert "\nuser 54321\n" in (directory / "broker" / "mosquitto.conf").read_text()


def test_a_password_is_not_left_where_the_broker_would_read_its_hash(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(command: list[str], check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(module.shutil, "which", lambda program: program)
    monkeypatch.setattr(module.subprocess, "run", failing)
    assert main(["broker-config", "broker"]) == 1
    said = capsys.readouterr()
    assert not (directory / "broker" / "passwords").exists()
    assert said.err.startswith("error: mosquitto_passwd cannot make a hash of the password for ")
    assert "MQTT_PASSWORD" not in said.out
