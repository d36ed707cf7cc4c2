"""The table of routes: each declared once, from which come dispatch, role check and ``openapi.json``.

A route is a method of a class. Its signature says what it reads and answers, by structs of msgspec:

    @route("POST", "/api/tokens", "admin", "Create an API token")
    async def create(self, call: Call, query: OnlyCheck, body: NewToken) -> CreatedToken: ...

``query`` and ``body`` are there if the request has them; the answer is a struct, or a
:class:`bssci.web.http.replies.Reply` of one where status or headers are its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from bssci.web.access.accounts import Role
from bssci.web.http.replies import RefusedAnswer, Reply, Streamed

Schema = Mapping[str, Any]
"""JSON schema"""
RouteHandler = Callable[..., Awaitable[Any]]
"""takes a :class:`bssci.web.http.call.Call`"""
Method = TypeVar("Method", bound=Callable[..., Any])

MAX_BODY = 64 * 1024
"""bytes of a request's body, unless its route says otherwise"""
SAFE_METHODS = frozenset({"GET", "HEAD"})
REFERENCE = "#/components/schemas/{name}"
JSON = "application/json"
_MARK = "_bssci_routes"


class Parameter(NamedTuple):
    """One field of a route's query."""

    name: str
    description: str
    schema: Schema


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    """with ``{name}`` for what varies"""
    role: Role | None
    """the least that may; None: open to all, a session or not"""
    summary: str
    handler: RouteHandler
    query: type[msgspec.Struct] | None = None
    """struct of the query's arguments; None if there are none"""
    body: type[msgspec.Struct] | None = None
    """the JSON object that the handler is given"""
    takes: Mapping[str, Any] = field(default_factory=dict)
    """types by content type of bodies that the handler reads itself"""
    max_body: int = MAX_BODY
    """bytes of a request's body, at most"""
    answer: Any = None
    """type of the answer"""
    content_type: str = JSON
    """content type of the answer"""
    also: tuple[str, ...] = ()
    """other content types of the answer"""
    refusal: type[msgspec.Struct] = RefusedAnswer
    """type of what is answered with 409"""
    page: bool = False
    """true for a page for people: errors are pages, and a caller without a session is sent to the login
    page
    """

    @property
    def changes(self) -> bool:
        """Return whether a session must show its CSRF token."""
        return self.method not in SAFE_METHODS

    @property
    def bodies(self) -> Mapping[str, Any]:
        """Types of the bodies that it takes, by content type; empty: nothing is read."""
        return self.takes if self.body is None else {JSON: self.body, **self.takes}

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every field of the query."""
        return parameters_of(self.query) if self.query is not None else ()


@cache
def parameters_of(query: type[msgspec.Struct]) -> tuple[Parameter, ...]:
    """Return the fields of a query, with their schemas."""
    fields = msgspec.structs.fields(query)
    schemas, _ = msgspec.json.schema_components([each.type for each in fields], ref_template=REFERENCE)
    found = []
    for each, schema in zip(fields, schemas, strict=True):
        described = _without_null(dict(schema))
        if each.default not in (msgspec.NODEFAULT, None, "", False):
            described["default"] = each.default
        found.append(Parameter(each.encode_name, described.pop("description", ""), described))
    return tuple(found)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that may be left out: in a query nothing says null."""
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **options[0]}


def route(method: str, path: str, role: Role | None, summary: str, **more: Any) -> Callable[[Method], Method]:
    """Declare a method of a class as the handler of a route; it may have several."""

    def mark(function: Method) -> Method:
        declared = getattr(function, _MARK, [])
        setattr(function, _MARK, [*declared, (method, path, role, summary, more)])
        return function

    return mark


def page(path: str, role: Role | None, summary: str, method: str = "GET") -> Callable[[Method], Method]:
    """Declare a method as the handler of a page."""
    return route(method, path, role, summary, page=True, content_type="text/html")


def routes_of(owner: object) -> Iterator[Route]:
    """Yield the routes that an object's methods were declared for."""
    kind: Any = type(owner)
    for name, (method, path, role, summary, more) in _declared(kind):
        yield Route(method, path, role, summary, getattr(owner, name), **more)


@cache
def _declared(owner: type) -> list[tuple[str, tuple[str, str, Role | None, str, dict[str, Any]]]]:
    """Return the names of methods of a class, and what routes they were declared for."""
    return [
        (name, (method, path, role, summary, {**_types_of(function), **more}))
        for name in dir(owner)
        for function in [getattr(owner, name)]
        for method, path, role, summary, more in getattr(function, _MARK, ())
    ]


def _types_of(function: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(function, include_extras=True)
    answer = hints.get("return")
    if get_origin(answer) is Reply:
        [answer] = get_args(answer)
    if isinstance(answer, UnionType):  # streamed if it is long
        [answer] = [each for each in get_args(answer) if each is not Streamed]
    return {"query": hints.get("query"), "body": hints.get("body"), "answer": answer}


def alias(route: Route, path: str) -> Route:
    """Return the same route under another path."""
    return replace(route, path=path)
