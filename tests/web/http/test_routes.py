"""Every route: who may, and who may not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bssci.model import EUI
from bssci.web.access.accounts import ROLES, may
from bssci.web.http.routing import Route
from tests.support.web import SENSOR, WebHouse, sensor_entry

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
    browser = web.browser(role)
    for route in api(web):
        if route.role is None or "logout" in route.path:
            continue
        answer = browser.ask(route.method, path_of(route), {} if route.changes else None)
        if may(role, route.role):
            assert answer.status not in (401, 500), (route, answer.body)
            assert answer.status != 403 or answer.error["code"] != "forbidden", (route, answer.body)
        else:
            assert answer.status == 403 and answer.error["code"] == "forbidden", route


# what requests may say and what is answered: typed once, read and described by that


def described(web: WebHouse) -> Iterator[tuple[str, Route]]:
    """Every route that says what its query may hold, and the method by which it answers at once."""
    for route in web.admin.routes:
        if not route.page and (route.parameters or not route.changes):
            yield ("HEAD" if route.path == LIVE else route.method), route


def test_every_route_has_typed_bodies_and_answers(web: WebHouse) -> None:
    document = web.browser("viewer").get("/api/openapi.json").json()
    untyped = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            contents = [operation["responses"]["200"]["content"]]
            contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
            for kind, content in ((kind, each) for one in contents for kind, each in one.items()):
                if kind == "application/json" and not is_typed(content["schema"]):
                    untyped.append((method, path))
    documents = ("/api/asyncapi.json", "/api/openapi.json", "/api/schemas/{name}.json")
    assert sorted(untyped) == [("get", each) for each in documents]
    text = json.dumps(document)
    components = document["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(components)
    assert set(components["SensorRow"]["required"]) == set(components["SensorRow"]["properties"])


def is_typed(schema: dict[str, Any]) -> bool:
    return bool({"$ref", "properties", "items", "unevaluatedProperties"} & set(schema)) or "anyOf" in str(
        schema.get("additionalProperties")
    )


def test_every_route_takes_a_body_or_says_that_it_has_none(web: WebHouse) -> None:
    for route in api(web):
        assert route.answer is not None and (route.changes or not route.bodies), route


UNKNOWN = ("dryRun", "DRY_RUN", "dry-run", "dryrun", "Dry_Run", "whatever", "dry_run[]")


def test_an_unknown_parameter_of_a_change_is_refused_and_nothing_is_done(web: WebHouse) -> None:
    browser = web.browser("admin")
    before = (web.audit(), web.center.sensors.get(EUI(SENSOR)))
    for route in api(web):
        if not route.changes:
            continue
        for name in UNKNOWN if route.path in ("/api/sensors/import", "/api/config") else UNKNOWN[:2]:
            answer = browser.ask(route.method, f"{path_of(route)}?{name}=1", {})
            assert (answer.status, answer.error["field"]) == (422, name), (route, answer.body)
        if not route.parameters:
            assert browser.ask(route.method, f"{path_of(route)}?dry_run=1", {}).status == 422, route
        else:
            answer = browser.ask(route.method, f"{path_of(route)}?dry_run=maybe", {})
            assert (answer.status, answer.error["field"]) == (422, "dry_run"), route
    assert (web.audit(), web.center.sensors.get(EUI(SENSOR))) == before


@pytest.mark.parametrize("name", ["dry_run", "dryRun", "DRY-RUN"])
def test_a_dry_run_that_the_body_asks_for_is_refused(web: WebHouse, name: str) -> None:
    browser = web.browser("admin")
    entry = sensor_entry(2)
    for path, body in (
        ("/api/sensors", entry | {name: True}),
        ("/api/sensors/import", {"sensors": [entry], name: True}),
        ("/api/config", {"STATUS_INTERVAL": 60, name: True}),
        ("/api/sensors/clear", {"confirm": "CLEAR ALL", name: True}),
        ("/api/certificates/generate", {name: True}),
        (f"/api/sensors/{SENSOR}/downlink", {"data": "00", name: True}),
    ):
        answer = browser.post(path, body)
        assert (answer.status, answer.error["field"]) == (422, name), path
    assert len(web.center.sensors) == 1 and web.configuration.current.status_interval == 300


def test_a_query_that_only_reads_may_say_more(web: WebHouse) -> None:
    assert web.browser("viewer").get("/api/sensors?_=12345&q=").status == 200


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


@pytest.mark.parametrize("body", [{"dryRun": True}, {"Dry-Run": 1}, {"dry_run": "1"}, {"sensors": []}])
def test_a_body_where_nothing_is_read_is_not_passed_over(web: WebHouse, body: dict[str, Any]) -> None:
    for _, route in described(web):
        if route.changes and not route.bodies:
            answer = web.browser("admin").ask(route.method, path_of(route), body)
            assert answer.status == 422 and answer.error["field"] in body, route
            answer = web.browser("admin").ask(
                route.method, path_of(route), b"dry_run=1", content_type="text/x"
            )
            assert answer.status == 422 and answer.error["field"] == "body", route
