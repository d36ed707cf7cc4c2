from __future__ import annotations

import sys

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred

from bssci.web.access.accounts import Directory
from bssci.web.access.attempts import PER_ACCOUNT, Attempts
from bssci.web.http.guard import LOG_IN, NO_SUCH_TOKEN, Guard
from tests.support.center import result_of
from tests.support.log_lines import log_lines
from tests.support.web import SENSOR, WebHouse
from tests.web.http.test_routes import path_of

__all__ = ["log_lines"]

COOKIE = "bssci_session_12345"
"""the site in memory has this port"""


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
    refused = browser.get("/api/sensors")
    assert (refused.status, refused.error["message"]) == (401, NO_SUCH_TOKEN)
    browser.token = ""
    assert browser.get("/api/sensors").error["message"] == LOG_IN


def test_the_cookie_is_for_this_site_only_and_not_for_scripts(web: WebHouse) -> None:
    answer = web.browser().log_in("viewer")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie
    assert answer.json()["csrf"] not in cookie


def test_services_on_one_host_keep_apart_by_the_port_in_the_cookies_name(web: WebHouse) -> None:
    browser = web.browser("viewer")
    other = "bssci_session_81"
    browser.cookies[other] = "of another service"
    assert browser.get("/api/me").status == 200
    assert browser.log_in("viewer").headers["set-cookie"].startswith(f"{COOKIE}=")
    browser.cookies = {other: browser.cookies[COOKIE]}
    assert browser.get("/api/me").status == 401


def test_accounts_whose_file_is_gone_stay_until_a_restart(web: WebHouse) -> None:
    browser, away = web.browser("operator"), web.file.path.with_name("away")
    web.file.path.rename(away)
    assert browser.get("/api/me").status == 200
    away.rename(web.file.path)
    web.file.change("operator", role="viewer")
    assert browser.get("/api/me").json()["role"] == "viewer"


def test_accounts_that_could_not_be_read_after_a_change_are_read_with_the_next_request(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    admin, robot = web.browser("admin"), web.browser()
    robot.token = web.file.create_token("robot", "viewer")
    assert robot.get("/api/sensors").status == 200
    file = web.admin.guard.file
    read, failures = file.read, 3

    def out_of_files() -> Directory:
        nonlocal failures
        is_mine = sys._getframe(1).f_code.co_name != "_changing"
        if is_mine and failures:
            failures -= 1
            raise OSError(24, "Too many open files")
        return read()

    monkeypatch.setattr(file, "read", out_of_files)
    assert admin.delete("/api/tokens/robot").status == 200
    assert [robot.get("/api/sensors").status for _ in range(3)] == [200, 200, 401]
    assert len([line for line in log_lines if "accounts not readable" in line]) == 1


@pytest.mark.parametrize("damaged", [b"", b"nonsense", None])
def test_accounts_that_cannot_be_read_at_the_start_let_nobody_in_until_they_can(
    web: WebHouse, damaged: bytes | None, log_lines: list[str]
) -> None:
    good, path = web.file.path.read_bytes(), web.file.path
    path.unlink()
    if damaged is None:
        path.mkdir()  # what root may read, it cannot read either
    else:
        path.write_bytes(damaged)
    guard = Guard(web.file, web.admin.sessions, Attempts(web.clock), web.admin.guard.uses, maybeDeferred)
    assert guard.setup_secret == "" and not guard.directory.accounts
    assert any("nobody can log in" in line for line in log_lines)
    for _ in range(PER_ACCOUNT + 1):
        answer = web.browser().log_in("viewer")
        assert (answer.status, answer.error["code"]) == (503, "unavailable")
    path.rmdir() if damaged is None else path.unlink()
    path.write_bytes(good)
    result_of(ensureDeferred(guard.refresh()))
    assert guard.directory.accounts and web.browser().log_in("viewer").status == 200
