"""Log-ins that fail: slowed, counted, kept out for a while."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from bssci.web.access import attempts
from tests.support.web import PASSWORD, Connection, WebHouse, parse


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
    for number in range(2_000):
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


def test_a_name_of_any_length_takes_little_memory() -> None:
    remembered = attempts.Attempts(Clock())
    remembered.failed("x" * 60_000, "192.0.2.1")
    assert max(len(account) for account, _ in remembered._failures) == attempts.MAX_NAME
    for _ in range(attempts.PER_ACCOUNT):
        remembered.failed("x" * 60_000, "192.0.2.1")
    assert remembered.wait("x" * 60_000, "192.0.2.1") > 0
