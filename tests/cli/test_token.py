"""``bssci token``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.cli import main


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIR", raising=False)
    Path("data").mkdir()


def test_a_token_is_printed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "robot", "--role", "viewer"]) == 0
    token = capsys.readouterr().out
    assert token.count("\n") == 1 and token.startswith("bssci_")
    assert token.strip() not in Path("data/accounts.json").read_text()
    assert main(["token", "list"]) == 0
    assert capsys.readouterr().out.startswith("robot\tviewer\t")
    assert main(["token", "revoke", "robot"]) == 0
    assert main(["token", "revoke", "robot"]) == 1
    assert capsys.readouterr().err == "error: name: there is no token robot\n"


@pytest.mark.parametrize(
    "options", [["--days", "5"], ["--topic", "#"], ["--device", "70B3D56770110001"], ["--connections", "1"]]
)
def test_limits_of_live_tokens_are_not_ignored_for_others(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "create", "robot", *options]) == 1
    assert capsys.readouterr().err == f"error: {options[0]}: is possible only with --live\n"
    assert not Path("data/accounts.json").exists()
