"""Every route: who may, and who may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bssci.web.access.accounts import ROLES, may
from bssci.web.http.call import Call
from bssci.web.http.routing import Route
from tests.support.web import SENSOR, Browser, WebHouse

FORMS = {"eui": SENSOR, "queId": "1", "seq": "1", "file": "ca", "type": "ca", "name": "nobody", "id": "none"}
LIVE = "/api/live"
ROOT = Path(__file__).parents[3]


def path_of(route: Route) -> str:
    path = route.path
    for name, value in FORMS.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def api(web: WebHouse) -> Iterator[Route]:
    return (route for route in web.admin.routes if not route.page and route.path != LIVE)


def test_without_a_session_only_the_open_routes_answer(web: WebHouse) -> None:
    for route in web.admin.routes:
        answer = web.browser().ask(route.method, path_of(route), {} if route.changes else None)
        if route.role is None:
            assert answer.status != 401 or route.path == "/login", route
        elif route.page:
            assert answer.status == 303 and answer.headers["location"].startswith("/login?next="), route
        else:
            assert answer.status == 401 and answer.error["code"] == "unauthorized", route


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_it_includes_and_nothing_else(web: WebHouse, role: str) -> None:
    for route in api(web):
        if route.role is None or "logout" in route.path:
            continue
        answer = web.browser(role).ask(route.method, path_of(route), {} if route.changes else None)
        if may(role, route.role):
            assert answer.status not in (401, 500), (route, answer.body)
            assert answer.status != 403 or answer.error["code"] != "forbidden", (route, answer.body)
        else:
            assert answer.status == 403 and answer.error["code"] == "forbidden", route


# what a query may say: read by the handler as openapi.json and docs/api.md describe it


def bodies(web: WebHouse, admin: Browser) -> dict[str, dict[str, Any]]:
    """What makes a route that changes something read its query, by path."""
    authority = (web.directory / "certs" / "ca.pem").read_text()
    return {
        "/api/config": {"body": {"STATUS_INTERVAL": 60}},
        "/api/sensors/import": {"body": []},
        "/api/certificates/upload/{type}": {"body": {"certificate": authority}},
        "/api/certificates/generate": {"body": {"what": "server"}},
        "/api/certificates/restore": {
            "body": admin.get("/api/certificates/backup").body,
            "content_type": "application/zip",
        },
    }


def described(web: WebHouse) -> Iterator[tuple[str, Route]]:
    """Every route that says what its query may hold, and the method by which it answers at once."""
    for route in web.admin.routes:
        if not route.page and (route.parameters or not route.changes):
            yield ("HEAD" if route.path == LIVE else route.method), route


def test_what_is_read_of_a_query_is_what_is_described(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    text = Call.text

    def noted(call: Call, name: str, default: Any = "") -> str | None:
        read.add(name)
        return text(call, name, default)

    monkeypatch.setattr(Call, "text", noted)
    browser = web.browser("admin")
    more = bodies(web, browser)
    for method, route in described(web):
        read.clear()
        browser.ask(method, path_of(route), **more.get(route.path, {}))
        assert read == {each.name for each in route.parameters}, route


def test_defaults_and_bounds_are_as_described(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[str, tuple[Any, ...]] = {}
    integer, choice = Call.integer, Call.choice

    def noted_integer(call: Call, name: str, default: int, low: int, high: int) -> int:
        used[name] = (default, low, high)
        return integer(call, name, default, low, high)

    def noted_choice(call: Call, name: str, allowed: tuple[str, ...], default: str = "") -> str:
        used[name] = (default, *allowed)
        return choice(call, name, allowed, default)

    monkeypatch.setattr(Call, "integer", noted_integer)
    monkeypatch.setattr(Call, "choice", noted_choice)
    browser = web.browser("admin")
    for method, route in described(web):
        used.clear()
        browser.ask(method, path_of(route))
        for each in route.parameters:
            if each.name not in used or each.name in ("before", "since"):
                continue
            schema = each.schema
            expected = (
                (schema["default"], schema["minimum"], schema["maximum"])
                if schema["type"] == "integer"
                else (schema.get("default", ""), *schema["enum"])
            )
            assert used[each.name] == expected, (route, each)


def test_what_a_query_may_not_say_is_refused(web: WebHouse) -> None:
    browser = web.browser("admin")
    for _, route in described(web):
        for each in route.parameters:
            if route.changes or set(each.schema) == {"type"}:
                continue
            answer = browser.ask(route.method, f"{path_of(route)}?{each.name}=nonsense")
            assert (answer.status, answer.error["field"]) == (422, each.name), (route, each)


def test_the_documented_queries_are_those_of_the_routes(web: WebHouse) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    routes: dict[str, set[str]] = {}
    for route in web.admin.routes:
        routes.setdefault(route.path, set()).update(each.name for each in route.parameters)
    asked = re.findall(r"(/api/[\w/{}-]+)\?([\w=&,-]+)", text)
    assert len(asked) > 5
    for path, query in asked:
        assert {pair.partition("=")[0] for pair in query.split("&")} <= routes[path], (path, query)
    table = dict(re.findall(r"^\| `(/api/[^`]+)` \| ((?:`\w+`(?:, )?)+)", text, re.M))
    assert {path: set(re.findall(r"\w+", names)) for path, names in table.items()} == {
        path: names for path, names in routes.items() if names and "base-stations" not in path
    }
