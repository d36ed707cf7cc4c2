from __future__ import annotations

import os
from threading import Event

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred

from bssci.web.access.accounts import AccountFile
from bssci.web.service import WebAdmin
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


def test_templates_are_compiled_no_longer_than_it_runs(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Event] = []
    monkeypatch.setattr("bssci.web.service.compile_templates", given.append)
    monkeypatch.setattr(WebAdmin, "_announce", lambda self: None)
    admin = WebAdmin(web.clock, web.center, web.configuration, now=web.now, run_in_thread=maybeDeferred)
    admin.start()
    [stopping] = given
    assert not stopping.is_set()
    admin.stop()
    web.settle()
    assert stopping.is_set()


def test_a_full_disk_delays_the_audit_of_the_command_line_and_doubles_nothing(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    AccountFile.at_command_line(web.directory / "data").add("olga", "operator", "long enough")
    web.journal.broken = True
    for _ in range(3):
        web.admin._refresh_soon()
        web.settle()
    web.journal.broken = False
    forget = AccountFile.forget_changes

    def read_only(self: AccountFile, count: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(AccountFile, "forget_changes", read_only)
    for _ in range(3):
        web.admin._refresh_soon()
        web.settle()
    monkeypatch.setattr(AccountFile, "forget_changes", forget)
    web.admin._refresh_soon()
    web.settle()
    assert web.audit() == [("command line root", "account.add", "olga")]
    assert web.file.read().changes == ()
