from __future__ import annotations

from collections.abc import Callable

from tests.support.web import PASSWORD, WebHouse


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
    web.journal.broken = True
    assert web.browser().post("/api/setup", new | {"token": secret}).status == 503
    web.journal.broken = False
    assert web.file.read().account("first") is None
    assert web.browser().post("/api/setup", new | {"token": secret}).status == 200
    assert web.browser().post("/api/setup", new | {"token": secret, "username": "second"}).status == 403
    assert web.account("first").role == "admin"
    assert web.browser().log_in("first", "long enough").status == 200
