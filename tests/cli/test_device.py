"""``bssci device``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bssci.cli import main

NAME = "f2-aabbccddee01"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    main(["init"])
    capsys.readouterr()
    return tmp_path


def test_a_device_is_added_listed_renewed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "add", "AA:BB:CC:DD:EE:01", "--serial-number", "S1"]) == 0
    said = capsys.readouterr().out
    assert f"written certs/devices/{NAME}/device_key.pem" in said
    assert "PRIVATE" not in said
    [change] = json.loads(Path("certs/devices/changes.json").read_text())
    assert (change["who"].startswith("command line "), change["action"]) == (True, "provisioned.add")
    assert main(["device", "list"]) == 0
    assert capsys.readouterr().out.split()[:2] == [NAME, "S1"]
    for action in ("renew", "revoke"):
        assert main(["device", action, NAME]) == 0
        assert "is revoked. Restart the broker" in capsys.readouterr().out
    main(["device", "list"])
    assert capsys.readouterr().out.split()[-1] == "revoked"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "revoke", "roof"]) == 1
    assert capsys.readouterr().err == "error: roof is not registered\n"


@pytest.mark.parametrize("arguments", [["../roof"], ["roof", "--serial-number", "ä"]])
def test_no_authority_is_made_for_a_device_that_is_not_allowed(
    arguments: list[str], directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["device", "add", *arguments]) == 1
    assert capsys.readouterr().out == ""
    assert not (directory / "certs" / "devices").exists()


def test_the_broker_is_the_one_of_the_settings(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE_BROKER", "mqtt.example:8884")
    main(["device", "add", "roof"])
    said = json.loads((directory / "certs/devices/roof/mqtt_config.json").read_text())["mqtt"]
    assert (said["host"], said["port"]) == ("mqtt.example", 8884)
