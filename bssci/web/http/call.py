"""One request as handlers see it: who asks, and what, each value read with one clear error."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload
from urllib.parse import parse_qsl

from twisted.web.http import Request

from bssci.model import EUI, parse_eui
from bssci.model.commands import Asker
from bssci.web.access.sessions import Identity
from bssci.web.http.errors import ApiError, invalid
from bssci.web.http.routing import Route

T = TypeVar("T")
MAX_FORM = 64 * 1024
"""bytes"""
MAX_TEXT = 200
"""characters of one text in a query"""
LARGEST = 1 << 60
"""largest number of an event that can be asked for"""


@dataclass(frozen=True)
class Reply:
    """An answer that is not JSON, or has a status or headers of its own."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Streamed:
    """The handler has written, or goes on writing, by itself."""


class Call:
    """A request to a route.

    :ivar path: what varies in the path, by name.
    :ivar address: of the client.
    """

    def __init__(
        self, request: Request, route: Route, path: dict[str, str], identity: Identity | None
    ) -> None:
        self.request = request
        self.route = route
        self.path = path
        self._identity = identity
        self.address = str(getattr(request.getClientAddress(), "host", "") or "")

    @property
    def known(self) -> Identity | None:
        """Who asks; None on open routes without a session."""
        return self._identity

    @property
    def asker(self) -> Asker:
        """Who asks, as the audit log names them."""
        return self.named(self._identity.name if self._identity is not None else "")

    def named(self, name: str) -> Asker:
        """The same where only a name is known: at a log-in."""
        return Asker(name, "web", self.address)

    @property
    def identity(self) -> Identity:
        """Who asks, on a route that is not open."""
        if self._identity is None:
            raise ApiError(401, "unauthorized", "log in first")
        return self._identity

    # path and query

    def eui(self, name: str = "eui") -> EUI:
        try:
            return parse_eui(self.path[name])
        except ValueError:
            raise invalid(name, "must be 16 hexadecimal digits") from None

    @overload
    def text(self, name: str, default: str = "") -> str: ...

    @overload
    def text(self, name: str, default: None) -> str | None: ...

    def text(self, name: str, default: str | None = "") -> str | None:
        """A value of the query."""
        values = (self.request.args or {}).get(name.encode())
        if not values:
            return default
        try:
            text = values[-1].decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(name, "must be UTF-8") from None
        if len(text) > MAX_TEXT:
            raise invalid(name, f"must have {MAX_TEXT} characters at most")
        return text

    def choice(self, name: str, allowed: tuple[str, ...], default: str = "") -> str:
        value = self.text(name, default)
        if value and value not in allowed:
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, None)
        if text is None or text == "":
            return default
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 20:
            raise invalid(name, f"must be a whole number from {low} to {high}")
        value = int(text)
        if not low <= value <= high:
            raise invalid(name, f"must be a whole number from {low} to {high}")
        return value

    def flag(self, name: str) -> bool:
        return self.choice(name, ("0", "1", "false", "true")) in ("1", "true")

    def optional_eui(self, name: str) -> EUI | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return parse_eui(text)
        except ValueError:
            raise invalid(name, "must be 16 hexadecimal digits") from None

    def before(self) -> int | None:
        """Return the event's number below which a list goes on; None for the newest."""
        return self.integer("before", 0, 1, LARGEST) or None

    # headers and body

    def header(self, name: str) -> str:
        return self.request.getHeader(name) or ""

    def content_type(self) -> str:
        return self.header("content-type").partition(";")[0].strip().lower()

    def body(self) -> bytes:
        content = self.request.content
        assert content is not None
        content.seek(0)
        return bytes(content.read())

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        :raises ApiError: 415 or 400.
        """
        # Only a script of ours can send this type across sites, so forms of others are kept out.
        if self.content_type() != "application/json":
            raise ApiError(415, "unsupported_media_type", "the body must be application/json")
        value = parse_json(self.body() or b"{}")
        if not isinstance(value, dict):
            raise ApiError(400, "malformed", "the body must be a JSON object", "body")
        return value


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that a browser sent by itself; empty if it is none."""
    kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    content = request.content
    if kind != "application/x-www-form-urlencoded" or content is None:
        return {}
    content.seek(0)
    data = content.read(MAX_FORM).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(data, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def wants_json(request: Request) -> bool:
    """Whether a program asks, and not a browser that shows a page."""
    accepted = (request.getHeader("accept") or "").lower()
    return "application/json" in accepted and "text/html" not in accepted


def parse_json(data: bytes) -> Any:
    """:raises ApiError: 400, saying where it is wrong."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ApiError(400, "malformed", f"the body is no JSON at {place}: {error.msg}", "body") from None
    except (ValueError, RecursionError):
        raise ApiError(400, "malformed", "the body is no JSON in UTF-8", "body") from None
    return value


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)


def member(body: dict[str, Any], name: str, kind: type[T], default: T | None = None) -> T:
    """A member of a JSON object, of one type; required without ``default``.

    :raises ApiError: 422, naming it.
    """
    value = body.get(name, default)
    if value is None:
        raise invalid(name, "is missing")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise invalid(name, f"must be {_NAMES.get(kind, kind.__name__)}")
    return value


_NAMES: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}
