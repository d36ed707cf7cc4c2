"""One request as handlers see it: the actor, and the values of query and body, read with clear errors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, overload
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from twisted.web.http import Request

from bssci.model import EUI, parse_eui
from bssci.model.commands import Actor
from bssci.model.dry_run import dry_run_field
from bssci.web.access.sessions import Identity
from bssci.web.http.errors import ApiError, invalid
from bssci.web.http.proxies import visit_of
from bssci.web.http.reading import MAX_SHOWN, form_fields, parse_json, read_struct
from bssci.web.http.routing import JSON, Route

MAX_FORM = 64 * 1024
"""largest form, in bytes"""
MAX_TEXT = 200
"""longest text of a query, in characters"""
LARGEST = 1 << 60
"""largest number of an event that can be asked for"""


class Call:
    """A request to a route.

    :ivar path: values of the variable parts of the path, by name.
    :ivar address: address of the client.
    :ivar prefix: path below which the client finds the web admin: empty, or ``/mioty``.
    """

    def __init__(
        self, request: Request, route: Route, path: dict[str, str], identity: Identity | None
    ) -> None:
        self.request = request
        self.route = route
        self.path = path
        self._identity = identity
        visit = visit_of(request)
        self.address = visit.address
        self.prefix = visit.prefix

    @property
    def known(self) -> Identity | None:
        """The identity of the caller; None on an open route without a session."""
        return self._identity

    @property
    def actor(self) -> Actor:
        """The caller, as the audit log names it."""
        return self.named(self._identity.name if self._identity is not None else "")

    def named(self, name: str) -> Actor:
        """Return the actor where only a name is known: at a log-in."""
        return Actor(name, "web", self.address)

    @property
    def identity(self) -> Identity:
        """The identity of the caller, on a route that is not open.

        :raises ApiError: 401: the caller has none.
        """
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
        """Return a value of the query, the last one if it is given several times.

        :raises ApiError: 422: it is not UTF-8, or too long.
        """
        values = (self.request.args or {}).get(name.encode())
        if not values:
            return default
        try:
            text = str(values[-1], "utf-8")
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

    def optional_eui(self, name: str) -> EUI | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return parse_eui(text)
        except ValueError:
            raise invalid(name, "must be 16 hexadecimal digits") from None

    def before(self) -> int | None:
        """Return the number of the event before which a list continues; None to begin with the newest."""
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
        """Return the body as a JSON object.

        :raises ApiError: 415 or 400; 422 if the body asks for a dry run, which belongs in the query.
        """
        # A form on another site cannot send this type, so it cannot act for somebody who is logged in here.
        if self.content_type() != JSON:
            raise ApiError(415, "unsupported_media_type", f"the body must be {JSON}")
        value = parse_json(self.body() or b"{}")
        if not isinstance(value, dict):
            raise ApiError(400, "malformed", "the body must be a JSON object", "body")
        refuse_dry_run(value)
        return value

    # all arguments of a handler

    def arguments(self) -> dict[str, msgspec.Struct]:
        """Return the handler's further arguments: ``query`` and ``body``, where its route has them.

        :raises ApiError: 400, 415, 422
        """
        given: dict[str, msgspec.Struct] = {}
        route = self.route
        query = self._query()
        if route.query is not None:
            given["query"] = read_struct(route.query, query, from_text=True)
        elif query and route.changes and not route.page:
            read_struct(_Nothing, query)
        if route.body is not None:
            is_optional = not any(each.required for each in form_fields(route.body).values())
            nothing = is_optional and not self.body()
            given["body"] = route.body() if nothing else read_struct(route.body, self.json())
        elif route.changes and not route.page and not route.takes:
            self._refuse_body()
        return given

    def _refuse_body(self) -> None:
        """Check that the body is empty, on a route that does not read it: the caller may have meant
        something.

        :raises ApiError: 400, 422
        """
        if not self.body().strip():
            return
        if self.content_type() == JSON:
            read_struct(_Nothing, self.json())
        else:
            raise invalid("body", "must be empty: this request has no body")

    def _bare(self) -> list[str]:
        """Return the names in the query that have no ``=``; Twisted leaves them out."""
        pieces = self.request.uri.partition(b"?")[2].replace(b";", b"&").split(b"&")
        return [unquote_plus(piece.decode("latin-1")) for piece in pieces if piece and b"=" not in piece]

    def _query(self) -> dict[str, str]:
        """Return the values of the query; on a route that only reads, unknown and empty ones are left out."""
        known = {each.name for each in self.route.parameters}
        names = [name.decode("utf-8", "replace") for name in self.request.args or {}] + self._bare()
        read = {name: self.text(name) for name in names if self.route.changes or name in known}
        return {name: text for name, text in read.items() if text or self.route.changes}


class _Nothing(msgspec.Struct):
    """The query of a route that has none."""


def refuse_dry_run(body: Mapping[str, Any]) -> None:
    """Refuse a body with a field for a dry run, so that nothing is carried out that was only to be checked.

    :raises ApiError: 422: a field is called ``dry_run``, in any spelling.
    """
    if (name := dry_run_field(body)) is not None:
        message = "does not belong in the body; nothing was changed: write dry_run=1 in the query"
        raise invalid(name[:MAX_SHOWN], message)


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form sent by a browser; empty if the body is not a form."""
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
    """Return whether the caller prefers JSON to a page, as programs do."""
    accepted = _weights((request.getHeader("accept") or "").lower())
    json = accepted.get(JSON, accepted.get("application/*", 0.0))
    return json > accepted.get("text/html", accepted.get("text/*", 0.0))


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each content type in an ``Accept`` header, 0..1."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        with suppress(ValueError):
            found[kind] = float(weight)
    return found
