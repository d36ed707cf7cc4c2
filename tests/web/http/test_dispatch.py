from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from bssci.web.access import attempts
from bssci.web.http import dispatch
from tests.support.web import Connection, WebHouse


def test_every_status_has_its_phrase(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PER_ACCOUNT", 1)
    browser = web.browser("viewer")
    wrong = browser.request("POST", "/api/login", {"username": "admin", "password": "wrong password"})
    asked = [wrong, wrong, browser.request("GET", "/api/sensors?per_page=x"), browser.request("GET", "/")]
    lines = []
    for request in asked:
        connection = Connection(web)
        connection.send(request)
        lines.append(connection.received.partition(b"\r\n")[0].decode())
    assert lines == [
        "HTTP/1.1 401 Unauthorized",
        "HTTP/1.1 429 Too Many Requests",
        "HTTP/1.1 422 Unprocessable Content",
        "HTTP/1.1 200 OK",
    ]


def test_what_is_not_there(web: WebHouse) -> None:
    browser = web.browser("viewer")
    answer = browser.get("/api/not/there")
    assert answer.status == 404 and answer.error["code"] == "not_found"
    page = browser.get("/not/there")
    assert page.status == 404 and page.headers["content-type"].startswith("text/html")
    method = browser.ask("PUT", "/api/sensors", {})
    assert method.status == 405 and "POST" in method.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/sensors/attach-all", "POST"),
        ("DELETE", "/api/sensors/reload", "POST"),
        ("PATCH", "/api/sensors/unknown", "GET, HEAD"),
        ("PATCH", "/api/devices/ble:AA:BB:CC:DD:EE:FF/command", "POST"),
        ("DELETE", "/api/devices/f2:0a1b2c3d4e5f/J1/3/readings", "GET, HEAD"),
        ("OPTIONS", "/api/devices/import", "POST"),
        ("BREW", "/api/sensors/70B3D56770110001", "DELETE, GET, HEAD, PATCH"),
    ],
)
def test_another_method_of_a_path_is_not_taken_for_an_id(
    web: WebHouse, method: str, path: str, allowed: str
) -> None:
    answer = web.browser("admin").ask(method, path)
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/%ff%fe", "/api/sensors/%ff", "/api//sensors", "/static/", "/static/../pages.py", "/%00"]
)
def test_an_odd_path_is_not_found(web: WebHouse, path: str) -> None:
    assert web.browser("admin").get(path).status in (404, 422)


def test_head_sends_no_body(web: WebHouse) -> None:
    answer = web.browser("viewer").ask("HEAD", "/api/sensors")
    assert answer.status == 200 and not answer.body


def test_large_answers_and_pages_are_packed_but_huge_ones_never(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = web.browser("viewer")
    accepts = {"Accept-Encoding": "gzip"}
    assert browser.get("/api/openapi.json", headers=accepts).headers["content-encoding"] == "gzip"
    page = browser.get("/sensors", headers=accepts)
    assert page.headers["content-encoding"] == "gzip"
    # A secret beside text that others choose: the length must not tell how much of it they have guessed.
    assert browser.csrf not in page.text
    monkeypatch.setattr(dispatch, "GZIP_TO", 4096)
    assert "content-encoding" not in browser.get("/api/openapi.json", headers=accepts).headers


def test_what_goes_wrong_inside_is_logged_and_not_shown(
    web: WebHouse, expected_errors: list[Failure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(web.center), "health", None)
    monkeypatch.setattr(web.center.deliveries, "statistics", lambda: 1 / 0)
    answer = web.browser("viewer").get("/api/bssci/status")
    assert answer.status == 500 and answer.error["code"] == "internal"
    assert "ZeroDivision" not in answer.text
    assert expected_errors.pop().check(ZeroDivisionError)
    web.center.deliveries.statistics = dict
