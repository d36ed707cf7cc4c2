from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bssci.web.http.call import Call
from bssci.web.http.replies import Reply, Streamed
from bssci.web.http.routing import JSON, alias, page, parameters_of, route, routes_of


class Wanted(msgspec.Struct):
    limit: Annotated[int, Meta(ge=1, description="at most")] = 100
    sensor: str | None = None


class Told(msgspec.Struct):
    number: int


class Owner:
    @route("GET", "/api/things", "viewer", "Things")
    @route("GET", "/api/all-things", "viewer", "Things")
    async def things(self, call: Call, query: Wanted) -> Told | Streamed:
        return Told(1)

    @route("POST", "/api/things", "operator", "A thing", max_body=5)
    async def add(self, call: Call, body: Told) -> Reply[Told]:
        return Reply(body)

    @page("/things", "viewer", "Things")
    async def shown(self, call: Call) -> Reply[bytes]:
        return Reply(b"")

    async def helper(self) -> None:
        """No route."""


def test_a_handler_says_by_its_types_what_it_takes_and_answers() -> None:
    found = {(each.method, each.path): each for each in routes_of(Owner())}
    assert len(found) == 4
    things = found["GET", "/api/things"]
    assert (things.query, things.body, things.answer, things.changes) == (Wanted, None, Told, False)
    add = found["POST", "/api/things"]
    assert (add.body, add.answer, add.changes, add.max_body) == (Told, Told, True, 5)
    assert set(add.bodies) == {JSON}
    assert found["GET", "/things"].page


def test_a_handler_is_bound_to_its_owner() -> None:
    first, second = Owner(), Owner()
    assert {each.handler.__self__ for each in (*routes_of(first), *routes_of(second))} == {first, second}


def test_a_parameter_has_its_schema_without_null_and_its_default() -> None:
    limit, sensor = parameters_of(Wanted)
    assert (limit.name, limit.description) == ("limit", "at most")
    assert limit.schema == {"type": "integer", "minimum": 1, "default": 100}
    assert sensor.schema == {"type": "string"}


def test_an_alias_is_the_same_under_another_path() -> None:
    (add,) = (each for each in routes_of(Owner()) if each.method == "POST")
    assert alias(add, "/api/other").handler == add.handler
