from __future__ import annotations

import pytest

from tests.support.web import PASSWORD, WebHouse
from tests.web.html import Document


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


def test_a_page_of_what_is_gone_names_it_and_leads_on(web: WebHouse) -> None:
    eui = "70B3D59CD00000FF"
    answer = web.browser("admin").get(f"/sensors/{eui}/edit", headers={"Accept": "text/html"})
    page = Document(answer.text)
    assert answer.status == 404
    assert f"There is no sensor {eui}. It may have been deleted or forgotten" in answer.text
    links = {link.text: link["href"] for link in page.all("a")}
    assert (links["To the list"], links["Look in the audit log"]) == ("/sensors", f"/audit?q={eui}")
    assert "Look in the audit log" not in web.browser("viewer").get(f"/sensors/{eui}").text
    assert "To the list" not in web.browser("viewer").get("/nothing").text
