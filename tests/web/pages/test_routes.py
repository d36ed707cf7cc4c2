from __future__ import annotations

import pytest

from tests.support.web import PASSWORD, WebHouse


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
