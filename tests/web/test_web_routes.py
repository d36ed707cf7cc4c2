"""Every route: who may, and who may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bssci.web.routing import ROLES, Route, may
from tests.support.web import SENSOR, WebHouse

FORMS = {"eui": SENSOR, "queId": "1", "seq": "1", "file": "ca", "type": "ca", "name": "nobody", "id": "none"}
LIVE = "/api/live"


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
