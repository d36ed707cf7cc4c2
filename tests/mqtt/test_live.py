"""The state of a service's connection, as other processes see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bssci.mqtt.live import LiveFile, read_live
from bssci.mqtt.values import MqttSettings

SETTINGS = MqttSettings(host="broker", client_id="center", password="Pa55word", will=("t", b"1"))


def test_it_is_live_as_long_as_the_service_runs(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    assert read_live(path) == (None, False)
    file = LiveFile(path)
    file.tell(SETTINGS, "connecting")
    state, runs = read_live(path)
    assert runs and state is not None and (state.client_id, state.trouble) == ("center", "connecting")
    file.tell(SETTINGS, "")
    file.close()
    state, runs = read_live(path)
    assert not runs and state is not None and state.trouble == ""


def test_settings_are_recognised_and_not_told(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    file = LiveFile(path)
    file.tell(SETTINGS, "")
    state, _ = read_live(path)
    file.close()
    assert state is not None
    assert state.has(SETTINGS) and state.has(replace(SETTINGS, will=("t", b"2")))
    assert not state.has(replace(SETTINGS, password="other"))
    assert state.may_be_ended_by(replace(SETTINGS, password="other", host="another name of it"))
    assert not state.may_be_ended_by(replace(SETTINGS, client_id="other"))
    assert "Pa55word" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    for damaged in (b"", b"{", b"\xff\xfe", b"[1]"):
        path.write_bytes(damaged)
        assert read_live(path) == (None, False)


def test_a_file_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    file = LiveFile(tmp_path / "missing" / "live.json")
    file.tell(SETTINGS, "")
    file.close()


def test_two_services_do_not_share_a_file(tmp_path: Path) -> None:
    first, second = LiveFile(tmp_path / "live.json"), LiveFile(tmp_path / "live.json")
    first.tell(SETTINGS, "")
    second.tell(replace(SETTINGS, client_id="other"), "")
    state, _ = read_live(tmp_path / "live.json")
    assert state is not None and state.client_id == "center"
    first.close()
    second.tell(replace(SETTINGS, client_id="other"), "")
    state, _ = read_live(tmp_path / "live.json")
    assert state is not None and state.client_id == "other"
    second.close()
