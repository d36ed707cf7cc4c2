from __future__ import annotations

from tests.support.web import WebHouse


def test_json_that_is_none_is_the_body_s_fault(web: WebHouse) -> None:
    for body in (b"{", b"[]", b'{"a": NaN}', b"\xff"):
        answer = web.browser("operator").post("/api/sensors", body)
        assert answer.status == 400 and answer.error["field"] == "body"


def test_a_body_that_is_no_json_type_is_refused(web: WebHouse) -> None:
    answer = web.browser().post("/api/login", b"{}", content_type="text/plain")
    assert answer.status == 415


def test_a_program_is_given_json_where_a_browser_is_shown_a_page(web: WebHouse) -> None:
    browser = web.browser("admin")
    for accept, is_page in (
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json", False),
        ("application/json, text/html", True),
        ("text/html;q=0.2, application/json;q=0.9", False),
        ("*/*", True),
        ("application/*", False),
        ("application/*, text/*", True),
    ):
        answer = browser.get("/config", headers={"Accept": accept})
        assert answer.text.lstrip().startswith("<!") == is_page, accept
