"""The table of routes: each declared once, from which come dispatch, role check and ``openapi.json``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bssci.web.access.accounts import Role

Schema = Mapping[str, Any]
"""JSON schema"""
Handler = Callable[..., Awaitable[Any]]
"""takes a :class:`bssci.web.http.call.Call`"""
Method = TypeVar("Method", bound=Callable[..., Any])

MAX_BODY = 64 * 1024
"""bytes of a request's body, unless its route says otherwise"""
SAFE_METHODS = frozenset({"GET", "HEAD"})
ANY_OBJECT: Schema = {"type": "object"}
_MARK = "_bssci_routes"


@dataclass(frozen=True)
class Parameter:
    """Something that a request says in its query."""

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
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] | None = None
    """schema by content type; None: nothing is read"""
    max_body: int = MAX_BODY
    """bytes"""
    answer: Schema = field(default_factory=lambda: ANY_OBJECT)
    content_type: str = "application/json"
    """of the answer"""
    also: tuple[str, ...] = ()
    """other content types of the answer"""
    refusal: Schema | None = None
    """what is answered with 409, if it is more than an error"""
    page: bool = False
    """for people: errors are pages, and who has no session is sent to the login page"""

    @property
    def changes(self) -> bool:
        """Whether a session must show its CSRF token."""
        return self.method not in SAFE_METHODS


def route(method: str, path: str, role: Role | None, summary: str, **more: Any) -> Callable[[Method], Method]:
    """Declare a method of a class as the handler of a route; it may have several."""

    def mark(function: Method) -> Method:
        declared = getattr(function, _MARK, [])
        setattr(function, _MARK, [*declared, (method, path, role, summary, more)])
        return function

    return mark


def page(path: str, role: Role | None, summary: str, **more: Any) -> Callable[[Method], Method]:
    """Declare a method as a page."""
    return route("GET", path, role, summary, page=True, content_type="text/html", **more)


def routes_of(owner: object) -> Iterator[Route]:
    """The routes that an object's methods were declared for."""
    for name in dir(type(owner)):
        for method, path, role, summary, more in getattr(getattr(type(owner), name), _MARK, ()):
            yield Route(method, path, role, summary, getattr(owner, name), **more)


def alias(route: Route, path: str) -> Route:
    """The same under another path."""
    return replace(route, path=path)
