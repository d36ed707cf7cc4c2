"""Changes made at the command line."""

from __future__ import annotations

import getpass
import os

import pytest

from bssci.system import shell
from bssci.system.shell import ShellChange, noted, shell_user


def change(number: int) -> ShellChange:
    return ShellChange(at=float(number), who="command line me", action="account.add", target="x", detail="")


def test_only_the_newest_changes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "MAX_CHANGES", 2)
    changes: tuple[ShellChange, ...] = ()
    for number in range(3):
        changes = noted(changes, change(number))
    assert [each.at for each in changes] == [1.0, 2.0]


def test_a_user_without_a_name_is_noted_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "me")
    assert shell_user() == "command line me"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert shell_user() == f"command line {os.getuid()}"
