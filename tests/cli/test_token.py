"""``bssci token``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.cli import main


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIR", raising=False)


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
