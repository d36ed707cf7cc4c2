from __future__ import annotations

from pathlib import Path

import pytest

from bssci import extensions
from bssci.cli import findings, main


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ``.env`` chooses two sinks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SINKS=log,file\nFILE_EVENTS=uplink\nWEBHOOK_SECRET=1234567890abcdef\n")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "is_running", lambda chosen, places: False)


def test_every_sink_is_listed_with_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sinks", "list"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert any(line.startswith("file (in use): appends") for line in lines)
    assert any(line.startswith("webhook: sends") for line in lines)
    assert any(line.startswith("  FILE_EVENTS=uplink  (.env)  kinds of events") for line in lines)
    assert any(line.startswith("  FILE_SYNC=true  (default)") for line in lines)
    assert "1234567890abcdef" not in out and "  WEBHOOK_SECRET=********  (.env)" in out


@pytest.mark.parametrize("command", ["sinks", "sources", "decoders"])
def test_without_an_action_all_are_listed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    listed = capsys.readouterr().out
    assert main([command, "list"]) == 0
    assert listed == capsys.readouterr().out != ""


def test_a_module_that_cannot_be_loaded_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torn_list.py").write_text("1 / 0\n")
    monkeypatch.setattr(extensions.plugins, "__path__", [*extensions.plugins.__path__, str(tmp_path)])
    assert main(["sinks", "list"]) == 1
    assert (
        "problem: bssci.plugins.torn_list cannot be loaded, line 1: ZeroDivisionError"
        in capsys.readouterr().err
    )


def test_those_in_use_are_tried(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sinks", "test"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok: sink log: can be built",
        f"ok: file: {directory}/events.jsonl can be written",
    ]


def test_one_is_tried_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sinks", "test", "webhook"]) == 1
    assert capsys.readouterr().out.startswith("error: sink webhook: WEBHOOK_URL is empty")
    assert main(["sinks", "test", "fax"]) == 1
    assert "no sink 'fax' is installed" in capsys.readouterr().err


def test_settings_that_a_source_shares_with_a_sink_are_listed_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sources", "list"]) == 0
    listed = capsys.readouterr().out.partition("kafka: reads")[2].partition("\nmqtt")[0]
    assert "  KAFKA_BOOTSTRAP_SERVERS=localhost:9092  (default)" in listed
    assert "  KAFKA_TIMEZONE=  (default)" in listed
