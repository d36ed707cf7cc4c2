"""``bssci restore``: what it says of files that are no backup; tests/cli/test_backup.py has whole ones."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from bssci.cli import archive, main
from bssci.journal import no_service
from bssci.tap import take_restored


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_no_backup_changes_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "other.tar.gz").write_bytes(b"no backup")
    before = set(directory.rglob("*"))
    assert main(["restore", "other.tar.gz"]) == 1
    assert capsys.readouterr().err.startswith("error: other.tar.gz: is not a backup, or is damaged")
    assert set(directory.rglob("*")) == before


def test_files_go_where_the_settings_of_the_backup_say(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "env").write_text("STATE_DIR=elsewhere\nSENSOR_CONFIG_FILE=sensors.json\n")
    (directory / "accounts").write_text("{}")
    (directory / "given.json").write_text("[]")
    target = io.BytesIO()
    names = {"env": "env", "settings/SENSOR_CONFIG_FILE": "given.json", "state/accounts.json": "accounts"}
    archive.write(target, [(name, directory / file) for name, file in names.items()], None)
    (directory / "backup").write_bytes(target.getvalue())
    assert main(["restore", "backup"]) == 0
    assert "restored 3 files" in capsys.readouterr().out
    assert (directory / "elsewhere" / "accounts.json").read_text() == "{}"
    assert (directory / "sensors.json").read_text() == "[]"
    assert (directory / ".env").read_text().startswith("STATE_DIR=elsewhere")


def test_while_the_service_runs_all_waits_for_its_next_start(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "data").mkdir()
    (directory / "data" / "accounts.json").write_text("old")
    (directory / "new").write_text("new")
    (directory / "env").write_text("LOG_LEVEL=debug\n")
    target = io.BytesIO()
    files = [("env", directory / "env"), ("state/accounts.json", directory / "new")]
    archive.write(target, files, None)
    (directory / "backup").write_bytes(target.getvalue())
    with no_service(directory / "data"):
        assert main(["restore", "backup"]) == 0
        assert "prepared 2 files" in capsys.readouterr().out
        assert not take_restored(directory / "data"), "it runs"
    assert (directory / "data" / "accounts.json").read_text() == "old"
    assert take_restored(directory / "data")
    assert (directory / "data" / "accounts.json").read_text() == "new"
    assert (directory / ".env").read_text() == "LOG_LEVEL=debug\n"
    assert not take_restored(directory / "data")


def test_where_nothing_waits_nothing_is_said_of_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start itself says that the directory cannot be written to."""
    (directory / "data").mkdir()

    def refused(directory: Path) -> None:
        raise PermissionError(13, "Permission denied", "data/lock")

    monkeypatch.setattr("bssci.tap.no_service", refused)
    assert not take_restored(directory / "data")
