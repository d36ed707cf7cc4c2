"""Sessions: begun, kept over a crash, ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock

from bssci.web.access import sessions
from bssci.web.access.accounts import Account
from bssci.web.access.sessions import WebSessions
from tests.support.web import EPOCH, PASSWORD, WebHouse

COOKIE = "bssci_session_12345"
"""the site in memory has this port"""


def test_each_log_in_has_an_id_of_its_own(web: WebHouse) -> None:
    browser = web.browser("viewer")
    first = browser.cookies[COOKIE]
    browser.log_in("viewer")
    assert browser.cookies[COOKIE] != first


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


@pytest.mark.parametrize("jump", [30 * 86_400.0, -30 * 86_400.0])
def test_setting_the_clock_neither_ends_a_session_nor_lengthens_it(tmp_path: Path, jump: float) -> None:
    account = Account(
        name="viewer", role="viewer", password="", generation="1", created_at=EPOCH, changed_at=EPOCH
    )
    clock, set_by = Clock(), [0.0]
    kept = WebSessions(
        tmp_path / sessions.SESSIONS_FILE,
        clock,
        lambda: EPOCH + clock.seconds() + set_by[0],
        maybeDeferred,
    )
    kept.start()
    secret, session = kept.begin(account, "198.51.100.9", "")
    set_by[0] = jump
    assert kept.find(secret) is session
    clock.advance(sessions.SAVE_INTERVAL)
    assert kept.find(secret) is session
    assert (session.created_at, session.seen_at) == (EPOCH + jump, EPOCH + jump + sessions.SAVE_INTERVAL)
    clock.advance(sessions.IDLE + 1)
    assert kept.find(secret) is None
    kept.stop()


def test_a_session_survives_a_crash(web: WebHouse) -> None:
    browser = web.browser("operator")
    web.crash()
    assert browser.get("/api/me").json()["name"] == "operator"
    assert browser.post("/api/sensors/reload").status == 200
    stored = (web.directory / "data" / "sessions.json").read_text()
    assert browser.cookies[COOKIE] not in stored


@pytest.mark.parametrize("damage", [b"{", b"\xff"])
def test_a_damaged_file_of_sessions_only_logs_out(web: WebHouse, damage: bytes) -> None:
    browser = web.browser("operator")
    path = web.directory / "data" / "sessions.json"
    # Also inside a text: what is not UTF-8 is another error to the decoder than what is not JSON.
    path.write_bytes(path.read_bytes().replace(b"operator", b"op\xffrator") if damage == b"\xff" else damage)
    web.crash()
    assert browser.get("/api/me").status == 401
    assert web.browser().log_in("operator").status == 200


def test_a_damaged_session_is_over_and_the_others_go_on(web: WebHouse) -> None:
    operator, viewer = web.browser("operator"), web.browser("viewer")
    path = web.directory / "data" / "sessions.json"
    for damage in (b"op\xffrator", b'op"rator'):
        data = path.read_bytes()
        path.write_bytes(data.replace(b"operator", damage))
        found = sessions.read_sessions(path)
        assert found.passed_over == 1
        assert [each.account for each in found.entries[sessions.WebSession]] == ["viewer"]
        path.write_bytes(data)
    path.write_bytes(data.replace(b"operator", damage))
    web.crash()
    assert web.admin.sessions.unreadable == 1
    assert operator.get("/api/me").status == 401
    assert viewer.get("/api/me").json()["name"] == "viewer"
    assert "bssci_web_unreadable 1.0" in web.browser("admin").get("/metrics").text


def test_logging_out_ends_the_session_and_not_only_the_cookie(web: WebHouse) -> None:
    browser = web.browser("viewer")
    cookie = dict(browser.cookies)
    assert browser.post("/api/logout").status == 200
    browser.cookies = cookie
    assert browser.get("/api/me").status == 401


def test_a_log_out_that_cannot_be_stored_is_stored_later(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, cookies = web.browser("operator"), {}
    cookies |= browser.cookies

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(sessions, "write_atomically", full)
        assert browser.post("/api/logout").status == 200
    web.advance(sessions.SAVE_INTERVAL)
    web.crash()
    browser.cookies = cookies
    assert browser.get("/api/me").status == 401


def test_a_new_password_from_the_command_line_ends_all_sessions(web: WebHouse) -> None:
    browser = web.browser("viewer")
    web.file.set_password("viewer", "something quite new")
    assert browser.get("/api/me").status == 401
    assert browser.log_in("viewer", PASSWORD).status == 401
    assert browser.log_in("viewer", "something quite new").status == 200


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
