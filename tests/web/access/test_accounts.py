"""Accounts and tokens: made, changed by several hands, and never shown."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.web.access.accounts import AccountError, AccountFile
from tests.support.web import EPOCH, PASSWORD, WebHouse


def test_a_role_that_was_taken_counts_at_once(web: WebHouse) -> None:
    browser = web.browser("operator")
    web.file.set_role("operator", "viewer")
    assert browser.post("/api/sensors/reload").status == 403


def test_ones_own_password(web: WebHouse) -> None:
    browser, other = web.browser("viewer"), web.browser("viewer")
    wrong = browser.post("/api/me/password", {"password": "wrong", "new_password": "x" * 12})
    assert wrong.status == 422 and wrong.error["field"] == "password"
    short = browser.post("/api/me/password", {"password": PASSWORD, "new_password": "x"})
    assert short.status == 422 and short.error["field"] == "new_password"
    assert ("viewer", "account.password", "viewer") not in web.audit()
    right = browser.post("/api/me/password", {"password": PASSWORD, "new_password": "x" * 12})
    assert right.status == 200
    assert other.get("/api/me").status == 401
    browser.csrf = right.json()["csrf"]
    assert browser.post("/api/logout").status == 200
    assert ("viewer", "account.password", "viewer") in web.audit()


def test_accounts_and_tokens_are_managed_and_audited(web: WebHouse) -> None:
    admin = web.browser("admin")
    new = {"name": "carla", "role": "operator", "password": "long enough"}
    assert admin.post("/api/accounts", new).status == 200
    assert admin.post("/api/accounts", new).error["field"] == "name"
    assert admin.post("/api/accounts", new | {"name": "<script>"}).error["field"] == "name"
    assert admin.post("/api/accounts", new | {"name": "dora", "role": "king"}).error["field"] == "role"
    assert (
        admin.post("/api/accounts", new | {"name": "dora", "password": "short"}).error["field"] == "password"
    )
    carla = web.browser()
    assert carla.log_in("carla", "long enough").status == 200
    assert admin.post("/api/accounts/carla", {"role": "viewer"}).status == 200
    assert carla.post("/api/sensors/reload").status == 403
    token = admin.post("/api/tokens", {"name": "robot", "role": "viewer"}).json()["token"]
    robot = web.browser()
    robot.token = token
    assert robot.get("/api/sensors").status == 200
    assert admin.delete("/api/tokens/robot").status == 200
    assert robot.get("/api/sensors").status == 401
    assert admin.delete("/api/accounts/carla").status == 200
    assert carla.get("/api/me").status == 401
    assert {action for who, action, _ in web.audit() if who == "admin"} >= {
        "account.add", "account.role", "token.create", "token.revoke", "account.remove",
    }  # fmt: skip
    assert admin.delete("/api/accounts/admin").status == 422


def test_no_hash_and_no_token_is_ever_shown(web: WebHouse) -> None:
    admin = web.browser("admin")
    token = admin.post("/api/tokens", {"name": "robot", "role": "viewer"}).json()["token"]
    for path in ("/api/accounts", "/api/tokens", "/api/audit", "/api/logs", "/api/sessions", "/accounts"):
        text = admin.get(path).text
        assert "hashed" not in text and token not in text and PASSWORD not in text, path


def test_the_first_account_is_made_by_the_link_of_the_log(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house()
    web.file.path.unlink()
    web.crash()
    secret = web.admin.guard.setup_secret
    new = {"username": "first", "password": "long enough"}
    assert web.browser().post("/api/setup", new | {"token": "wrong"}).status == 403
    assert web.browser().post("/api/setup", new | {"token": secret, "password": "short"}).status == 422
    assert web.browser().post("/api/setup", new | {"token": secret}).status == 200
    assert web.browser().post("/api/setup", new | {"token": secret, "username": "second"}).status == 403
    assert web.account("first").role == "admin"
    assert web.browser().log_in("first", "long enough").status == 200


def test_forms_log_in_and_out(web: WebHouse) -> None:
    browser = web.browser()
    form = "application/x-www-form-urlencoded"
    body = f"username=viewer&password={PASSWORD.replace(' ', '+')}&next=%2Fsensors%3Fq%3D1".encode()
    answer = browser.post("/login", body, content_type=form)
    assert (answer.status, answer.headers["location"]) == (303, "/sensors?q=1")
    assert browser.post("/logout", b"csrf=wrong", content_type=form).status == 403
    csrf = browser.get("/api/me").json()["csrf"]
    assert browser.post("/logout", f"csrf={csrf}".encode(), content_type=form).status == 303
    assert browser.get("/api/me").status == 401


@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "\\\\evil.test"])
def test_logging_in_never_leads_to_another_site(web: WebHouse, target: str) -> None:
    body = f"username=viewer&password={PASSWORD.replace(' ', '+')}&next={target}".encode()
    answer = web.browser().post("/login", body, content_type="application/x-www-form-urlencoded")
    assert answer.headers["location"] == "/"


def test_a_form_of_another_site_is_kept_out(web: WebHouse) -> None:
    answer = web.browser().post(
        "/login",
        b"username=a&password=b",
        content_type="application/x-www-form-urlencoded",
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status == 403


def test_a_body_that_is_no_json_type_is_refused(web: WebHouse) -> None:
    answer = web.browser().post("/api/login", b"{}", content_type="text/plain")
    assert answer.status == 415


def test_two_writers_of_the_account_file_lose_nothing(web: WebHouse) -> None:
    one, other = AccountFile(web.directory / "data"), AccountFile(web.directory / "data")
    one.create_token("one", "viewer")
    other.create_token("other", "viewer")
    assert {token.name for token in web.file.read().tokens} == {"one", "other"}
    assert web.file.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AccountError, match="already"):
        one.create_token("other", "viewer")


def test_argon2_is_what_hashes(tmp_path) -> None:
    file = AccountFile(tmp_path, lambda: EPOCH)
    file.add("someone", "viewer", "a good password")
    assert file.read().accounts[0].password.startswith("$argon2id$")
    assert file.verify("someone", "a good password") is not None
    assert file.verify("someone", "another password") is None
    assert file.verify("nobody", "a good password") is None


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
