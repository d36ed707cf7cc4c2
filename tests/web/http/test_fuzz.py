"""Whatever a request holds: an answer of the right form, and never an error of ours."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.web.http.routing import Route
from tests.support.web import SENSOR, WebHouse
from tests.web.http.test_routes import FORMS

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.just(SENSOR),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    *("username", "password", "token", "name", "role", "new_password", "eui", "nwKey", "shortAddr", "bidi"),
    *("tags", "typeEui", "confirm", "action", "sensors", "data", "cnt", "prio", "expires_in", "ref", "what"),
    *("hosts", "certificate", "key", "ca", "force", "renew", "settings", "STATUS_INTERVAL", "LISTEN_PORT"),
)
bodies = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=6) | values
parts = st.sampled_from([SENSOR, "1", "ca", "x", "%00", "%ff", "9" * 40, "-1"]) | texts.map(quote)


@pytest.mark.parametrize("changes", [True, False])
def test_no_request_is_an_error_of_ours(web: WebHouse, changes: bool) -> None:
    browser = web.browser()
    browser.token = web.file.create_token("fuzz", "admin")
    routes = [
        each
        for each in web.admin.routes
        if each.changes is changes and not each.page and each.path not in ("/api/live", "/api/tokens/{name}")
    ]

    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        route: Route = data.draw(st.sampled_from(routes), label="route")
        path = route.path
        for name in FORMS:
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", data.draw(parts, label=name) or "x")
        names = [*(parameter.name for parameter in route.parameters), "before"]
        shown = data.draw(st.lists(st.sampled_from(names), max_size=3), label="query")
        query = "&".join(f"{name}={data.draw(parts, label=name)}" for name in shown)
        body = data.draw(bodies | st.binary(max_size=30), label="body") if changes else None
        kind = data.draw(st.sampled_from(["application/json", *route.bodies]), label="kind")
        answer = browser.ask(route.method, f"{path}?{query}", body, content_type=kind)
        web.advance(31)
        assert answer.status in (200, 400, 401, 403, 404, 405, 409, 415, 422, 429, 503), answer.body
        if answer.status >= 400 and answer.headers["content-type"].startswith("application/json"):
            assert answer.error["code"] and answer.error["message"] and answer.json()["success"] is False

    check()
