"""The table of routes. Each is declared once; dispatch, role check and ``openapi.json`` follow from it.

A route is a method of a class. Its signature says, by structs of msgspec, what it reads and answers:

    @route("POST", "/api/tokens", "admin", "Create an API token")
    async def create(self, call: Call, query: OnlyCheck, body: NewToken) -> CreatedToken: ...

``query`` and ``body`` are there if the request has them. The answer is a struct, or a
:class:`bssci.web.http.replies.Reply` of one if it sets the status or headers itself.
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
"""largest body of a request in bytes, unless its route says otherwise"""
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
    """with ``{name}`` for each variable part"""
    role: Role | None
    """least role that may use it; None: open to everybody, with or without a session"""
    summary: str
    handler: RouteHandler
    query: type[msgspec.Struct] | None = None
    """struct of the query's arguments; None if there are none"""
    body: type[msgspec.Struct] | None = None
    """struct of the JSON object in the body; None if the route takes none"""
    takes: Mapping[str, Any] = field(default_factory=dict)
    """by content type, the types of the bodies that the handler reads itself"""
    max_body: int = MAX_BODY
    """largest body of a request, in bytes"""
    answer: Any = None
    """type of the answer"""
    content_type: str = JSON
    """content type of the answer"""
    also: tuple[str, ...] = ()
    """other content types of the answer"""
    refusal: type[msgspec.Struct] = RefusedAnswer
    """type of the answer with status 409"""
    streams: bool = False
    """true if an answer may take as long as its client reads"""
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
        """Types of the bodies that it takes, by content type; empty: it reads none."""
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
    """Return the schema of a parameter without null, which a query cannot express: the parameter is left out
    instead.
    """
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **options[0]}


def route(method: str, path: str, role: Role | None, summary: str, **more: Any) -> Callable[[Method], Method]:
    """Declare a method of a class as the handler of a route; a method may handle several."""

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
    """Return the names of a class's methods with the routes that they were declared for."""
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
    streams = answer is Streamed or (isinstance(answer, UnionType) and Streamed in get_args(answer))
    if isinstance(answer, UnionType) and streams:  # a long answer is streamed
        [answer] = [each for each in get_args(answer) if each is not Streamed]
    return {"query": hints.get("query"), "body": hints.get("body"), "answer": answer, "streams": streams}


def alias(route: Route, path: str) -> Route:
    """Return the same route under another path."""
    return replace(route, path=path)
