from __future__ import annotations

import os

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.web.access.accounts import AccountFile
from tests.support.web import WebHouse


def test_what_the_command_line_changed_is_in_the_audit_log_once(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    shell = AccountFile.at_command_line(web.directory / "data")
    shell.add("olga", "operator", "long enough")
    shell.set_password("olga", "longer than that")
    shell.create_token("robot", "viewer")
    shell.revoke_token("robot")
    for _ in range(2):
        ensureDeferred(web.admin._refresh())
        web.settle()
    assert web.audit() == [
        ("command line root", "account.add", "olga"),
        ("command line root", "account.password", "olga"),
        ("command line root", "token.create", "robot"),
        ("command line root", "token.revoke", "robot"),
    ]
    assert web.file.read().changes == ()


def test_the_command_line_of_a_user_without_a_name(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    AccountFile.at_command_line(web.directory / "data").create_token("robot", "viewer")
    assert web.file.read().changes[0].who == f"command line {os.getuid()}"
