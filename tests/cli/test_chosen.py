from __future__ import annotations

from pathlib import Path

import pytest

from bssci.cli.chosen import load, load_own
from bssci.settings.rows import SettingsError


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEB_PORT", raising=False)
    return tmp_path


def test_the_values_are_those_of_the_working_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ".env").write_text("WEB_PORT=5001\n")
    assert load_own().web_port == 5001
    monkeypatch.setenv("WEB_PORT", "5002")
    assert load_own().web_port == 5002
    assert load({"web-port": "5003"})[1].settings.web_port == 5003


def test_another_file_may_stand_for_the_env_file(directory: Path) -> None:
    (directory / "env").write_text("WEB_PORT=5004\n")
    installed, chosen = load(env_file=directory / "env")
    assert chosen.settings.web_port == 5004
    assert "mqtt" in installed.sinks


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PORT", "many")
    with pytest.raises(SettingsError, match="WEB_PORT"):
        load_own()
