"""CSRF, log-in, sessions and tokens."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.web.access import attempts, sessions
from bssci.web.access.accounts import AccountError, AccountFile
from tests.support.web import EPOCH, PASSWORD, SENSOR, Connection, WebHouse, parse
from tests.web.http.test_routes import path_of


@pytest.mark.parametrize("token", ["", "wrong"])
def test_every_change_needs_the_csrf_token_of_the_session(web: WebHouse, token: str) -> None:
    browser = web.browser("admin")
    browser.csrf = token
    for route in web.admin.routes:
        if route.changes and route.role is not None:
            answer = browser.ask(route.method, path_of(route), {})
            assert answer.status == 403, route
            assert route.page or answer.error["code"] == "csrf", route


def test_another_sessions_csrf_token_does_not_do(web: WebHouse) -> None:
    browser, other = web.browser("admin"), web.browser("admin")
    browser.csrf = other.csrf
    assert browser.post("/api/sensors/reload").status == 403
    assert other.post("/api/sensors/reload").status == 200


def test_a_token_needs_no_csrf_token(web: WebHouse) -> None:
    browser = web.browser()
    browser.token = web.file.create_token("robot", "operator")
    assert browser.post(f"/api/sensors/{SENSOR}/attach").status == 200
    assert browser.get("/api/accounts").status == 403
    web.file.revoke_token("robot")
    assert browser.get("/api/sensors").status == 401


def test_the_cookie_is_for_this_site_only_and_not_for_scripts(web: WebHouse) -> None:
    answer = web.browser().log_in("viewer")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie
    assert answer.json()["csrf"] not in cookie


def test_each_log_in_has_an_id_of_its_own(web: WebHouse) -> None:
    browser = web.browser("viewer")
    first = browser.cookies["bssci_session"]
    browser.log_in("viewer")
    assert browser.cookies["bssci_session"] != first


def test_wrong_credentials_tell_nothing_of_which_was_wrong(web: WebHouse) -> None:
    wrong = web.browser().log_in("viewer", "not the password")
    unknown = web.browser().log_in("nobody", "not the password")
    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body
    assert ("viewer", "login.refused", "") in web.audit()


def test_what_is_typed_in_place_of_a_name_is_not_shown(web: WebHouse) -> None:
    web.admin.context.logbook.start()
    try:
        web.browser().log_in("my secret password", "viewer")
        browser = web.browser("viewer")
        assert ("(no account)", "login.refused", "") in web.audit()
        for path in ("/api/audit", "/api/logs"):
            assert "my secret" not in browser.get(path).text
        assert "log-in refused (no account)" in browser.get("/api/logs").text
    finally:
        web.admin.context.logbook.stop()


def test_too_many_failures_close_the_account_for_that_address(web: WebHouse) -> None:
    for _ in range(attempts.PER_ACCOUNT):
        assert web.browser().log_in("viewer", "wrong password").status == 401
    answer = web.browser().log_in("viewer")
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= attempts.PERIOD
    assert web.browser().log_in("admin").status == 200
    assert web.browser(address="198.51.100.9").log_in("viewer").status == 200
    web.advance(attempts.PERIOD + 1)
    assert web.browser().log_in("viewer").status == 200


def test_too_many_failures_close_the_address_for_a_while(web: WebHouse) -> None:
    for number in range(attempts.PER_ADDRESS):
        assert web.browser().log_in(f"guess{number}", "wrong password").status == 401
    assert web.browser().log_in("admin").status == 429
    assert web.browser(address="198.51.100.9").log_in("admin").status == 200


def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_REMEMBERED", 10)
    remembered = attempts.Attempts(Clock())
    for number in range(100):
        remembered.failed(f"account{number}", f"192.0.2.{number}")
    assert len(remembered) == 10


def test_one_holder_of_many_ipv6_addresses_is_one() -> None:
    remembered = attempts.Attempts(Clock())
    for number in range(attempts.PER_ACCOUNT):
        remembered.failed("viewer", f"2001:db8:0:1::{number:x}")
    assert remembered.wait("viewer", "2001:db8:0:1:ffff::") > 0
    assert remembered.wait("viewer", "2001:db8:0:2::1") == 0


def test_when_many_guess_at_once_all_wait_a_little_and_nobody_is_kept_out() -> None:
    clock = Clock()
    remembered = attempts.Attempts(clock)
    for number in range(attempts.UNHURRIED):
        remembered.failed("viewer", f"192.0.2.{number}")
    assert remembered.slow_down().called
    for number in range(10_000):
        remembered.failed("viewer", f"2001:db8:{number:x}::1")
    assert remembered.wait("viewer", "198.51.100.9") == 0
    slowed = remembered.slow_down()
    assert not slowed.called
    clock.advance(attempts.MAX_DELAY)
    assert slowed.called
    clock.advance(attempts.PERIOD)
    assert remembered.slow_down().called


def test_a_slowed_log_in_succeeds(web: WebHouse) -> None:
    for number in range(2 * attempts.UNHURRIED):
        web.admin.guard._attempts.failed("viewer", f"192.0.2.{number}")
    connection = Connection(web, "198.51.100.9")
    body = {"username": "viewer", "password": PASSWORD}
    connection.send(web.browser().request("POST", "/api/login", body))
    assert connection.received == b""
    web.advance(attempts.MAX_DELAY)
    assert parse(connection.received).status == 200


def test_a_session_ends_when_nobody_acts(web: WebHouse) -> None:
    browser = web.browser("viewer")
    web.advance(sessions.IDLE - 10)
    assert browser.get("/api/me").status == 200
    web.advance(sessions.IDLE - 10)
    assert browser.get("/api/me").status == 200
    web.advance(sessions.IDLE + 1)
    assert browser.get("/api/me").status == 401


def test_a_session_ends_in_any_case(web: WebHouse) -> None:
    browser = web.browser("viewer")
    for _ in range(round(sessions.LIFE / sessions.IDLE * 2)):
        web.advance(sessions.IDLE / 2)
        last = browser.get("/api/me").status
    assert last == 200
    web.advance(10)
    assert browser.get("/api/me").status == 401


def test_a_session_survives_a_crash(web: WebHouse) -> None:
    browser = web.browser("operator")
    web.crash()
    assert browser.get("/api/me").json()["name"] == "operator"
    assert browser.post("/api/sensors/reload").status == 200
    stored = (web.directory / "data" / "sessions.json").read_text()
    assert browser.cookies["bssci_session"] not in stored


@pytest.mark.parametrize("damage", [b"{", b"\xff"])
def test_a_damaged_file_of_sessions_only_logs_out(web: WebHouse, damage: bytes) -> None:
    browser = web.browser("operator")
    path = web.directory / "data" / "sessions.json"
    # Also inside a text: what is not UTF-8 is another error to the decoder than what is not JSON.
    path.write_bytes(path.read_bytes().replace(b"operator", b"op\xffrator") if damage == b"\xff" else damage)
    web.crash()
    assert browser.get("/api/me").status == 401
    assert web.browser().log_in("operator").status == 200


def test_logging_out_ends_the_session_and_not_only_the_cookie(web: WebHouse) -> None:
    browser = web.browser("viewer")
    cookie = dict(browser.cookies)
    assert browser.post("/api/logout").status == 200
    browser.cookies = cookie
    assert browser.get("/api/me").status == 401


def test_a_new_password_from_the_command_line_ends_all_sessions(web: WebHouse) -> None:
    browser = web.browser("viewer")
    web.file.set_password("viewer", "something quite new")
    assert browser.get("/api/me").status == 401
    assert browser.log_in("viewer", PASSWORD).status == 401
    assert browser.log_in("viewer", "something quite new").status == 200


def test_a_role_that_was_taken_counts_at_once(web: WebHouse) -> None:
    browser = web.browser("operator")
    web.file.set_role("operator", "viewer")
    assert browser.post("/api/sensors/reload").status == 403


def test_ones_own_sessions_are_listed_and_ended(web: WebHouse) -> None:
    browser, other = web.browser("viewer"), web.browser("viewer", "198.51.100.9")
    stranger = web.browser("admin")
    listed = browser.get("/api/sessions").json()["sessions"]
    assert [each["address"] for each in listed if not each["current"]] == ["198.51.100.9"]
    handle = next(each["id"] for each in listed if not each["current"])
    assert stranger.delete(f"/api/sessions/{handle}").status == 404
    assert browser.delete(f"/api/sessions/{handle}").status == 200
    assert other.get("/api/me").status == 401
    assert browser.get("/api/me").status == 200


def test_sessions_of_one_account_are_bounded(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_PER_ACCOUNT", 3)
    first = web.browser("viewer")
    for _ in range(3):
        web.advance(1)
        web.browser("viewer")
    assert len(web.admin.sessions) == 3
    assert first.get("/api/me").status == 401


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
