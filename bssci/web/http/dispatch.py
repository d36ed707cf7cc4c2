"""Dispatch of requests to routes: session, role and CSRF token are checked, and errors are answered as a page
or as JSON.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
from klein import Klein
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import IResource
from werkzeug.exceptions import HTTPException

from bssci.journal import StorageError
from bssci.model.commands import CommandError
from bssci.web.access.sessions import Identity
from bssci.web.http.call import Call, form_of, wants_json
from bssci.web.http.errors import ApiError, from_command
from bssci.web.http.guard import CSRF_HEADER, Guard
from bssci.web.http.proxies import visit_of
from bssci.web.http.read_turns import ReadTurns
from bssci.web.http.replies import Reason, Reply, Streamed
from bssci.web.http.routing import JSON, Route

GZIP_FROM, GZIP_TO = 2048, 512 * 1024
"""sizes in bytes of answers that are compressed; compressing a larger one would block the reactor for too
long
"""
PHRASES = {422: b"Unprocessable Content", 429: b"Too Many Requests"}
"""phrases of status codes (RFC 9110, RFC 6585) that Twisted does not know"""
ErrorPage = Callable[[ApiError, Identity | None, Request], bytes]
"""makes the page for an error from the error, the caller and the request"""

DEVICE = "/devices/{id}"
"""part of a path with the id of a device, which may contain slashes: f2:…/J1/3"""
_encode = msgspec.json.Encoder().encode


class Dispatcher:
    """Takes requests to the handlers of their routes.

    :param observe: called for every answer with the route's path, method, status, and duration in seconds.
    """

    log = Logger()

    def __init__(
        self,
        routes: Sequence[Route],
        guard: Guard,
        error_page: ErrorPage,
        seconds: Callable[[], float],
        observe: Callable[[str, str, int, float], None],
    ) -> None:
        self.routes = routes
        self._guard = guard
        self._error_page = error_page
        self._seconds = seconds
        self._observe = observe
        self._turns = ReadTurns()
        self._by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            self._by_path.setdefault(route.path, {})[route.method] = route
        self._app: Klein = _map_of(tuple(self._by_path)).__get__(self, Dispatcher)

    def resource(self) -> IResource:
        """Return the root of the site."""
        return self._app.resource()

    def find(self, method: str, path: str) -> Route | None:
        """Return the route of a request, before it is dispatched; None if there is none."""
        try:
            endpoint, _ = self._app.url_map.bind("").match(path)
        except HTTPException:
            return None
        return self._route(endpoint, method)

    def _route(self, path: str, method: str) -> Route | None:
        """Return the route of a method of a path, as the table of routes writes it."""
        return self._by_path[path].get("GET" if method == "HEAD" else method)

    async def handle(self, request: Request, route: Route, path: dict[str, str]) -> None:
        """Answer one request."""
        began = self._seconds()
        identity: Identity | None = None
        streamed = False
        try:
            if self._guard.is_stale():
                await self._guard.refresh()
            identity = self._guard.identify(request)
            self._guard.check(
                route, identity, _shown_csrf(request), request.getHeader("authorization") is not None
            )
            call = Call(request, route, path, identity)
            if identity is None or route.changes or route.streams:
                answer = await route.handler(call, **call.arguments())
            else:
                answer = await self._turns.take(
                    identity.name, lambda: route.handler(call, **call.arguments())
                )
            streamed = isinstance(answer, Streamed)
            if not streamed:
                _write(request, answer if isinstance(answer, Reply) else Reply(answer))
        except Exception as error:
            self._write_error(request, route, identity, self._explained(error, route))
        if not streamed:
            self._observe(route.path, route.method, request.code, self._seconds() - began)

    def _explained(self, error: Exception, route: Route) -> ApiError:
        if isinstance(error, ApiError):
            return error
        if isinstance(error, CommandError):
            return from_command(error)
        if isinstance(error, StorageError):
            return ApiError(503, "unavailable", str(error))
        self.log.failure("request failed {method} {path}", method=route.method, path=route.path)
        return ApiError(500, "internal", "internal error, see the log")

    def _write_error(
        self, request: Request, route: Route | None, identity: Identity | None, error: ApiError
    ) -> None:
        path = request.path.decode("utf-8", "replace")
        as_page = route.page if route is not None else not path.startswith("/api")
        as_page = as_page and not wants_json(request)
        headers = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(error.retry_after)))
        if as_page and error.status == 401:
            wanted = request.uri.decode("ascii", "replace")
            location = f"{visit_of(request).prefix}/login?next={quote(wanted, safe='')}"
            reply = Reply(b"", "text/html", 303, {"Location": location})
        elif as_page:
            reply = Reply(self._error_page(error, identity, request), "text/html", error.status, headers)
        else:
            if error.status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            reply = Reply(_encode(refusal_of(error)), JSON, error.status, headers)
        _write(request, reply)

    def enter(self, request: Request, path: str, values: dict[str, str]) -> Deferred[None]:
        """Begin to answer a request to a path of the table of routes.

        :param values: of the variable parts of the path.
        """
        route = self._route(path, request.method.decode("latin-1"))
        if route is None:
            self._refuse_method(request, self._by_path[path])
            return succeed(None)
        # Klein cancels the Deferred when the client goes away; a command that has begun still runs to its
        # end.
        done: Deferred[None] = Deferred()
        answering = ensureDeferred(self.handle(request, route, values))
        answering.addBoth(lambda _: done.callback(None))
        return done

    def no_route(self, request: Request, failure: Failure) -> None:
        """Answer a request for which there is no route: the path is not known."""
        error: Any = failure.value
        status = error.code or 404
        explained = ApiError(status if status >= 400 else 404, "not_found", "there is nothing here")
        self._write_error(request, None, None, explained)

    def _refuse_method(self, request: Request, methods: Collection[str]) -> None:
        allowed = {*methods, *(["HEAD"] if "GET" in methods else [])}
        request.setHeader("Allow", ", ".join(sorted(allowed)))
        explained = ApiError(405, "method_not_allowed", "this method is not allowed here")
        self._write_error(request, None, None, explained)


def refusal_of(error: ApiError) -> dict[str, Any]:
    """Return an error as JSON."""
    problem = Reason(
        code=error.code,
        message=error.message,
        field=msgspec.UNSET if error.field is None else error.field,
        errors=list(error.errors) or msgspec.UNSET,
    )
    return {"success": False, "error": problem, **error.more}


@cache
def _map_of(paths: tuple[str, ...]) -> Klein:
    """Return the app that maps requests to paths of the table of routes; made once for all dispatchers.

    A path is found whatever the method: ``GET /api/sensors/reload`` is not about a sensor called "reload".
    """
    app = Klein()
    for path in paths:
        rule = path.replace(DEVICE, DEVICE.replace("{id}", "<path:id>"))
        rule = rule.replace("{", "<").replace("}", ">")
        app.route(rule, endpoint=path, strict_slashes=False)(_entry(path))
    no_route: Any = Dispatcher.no_route
    app.handle_errors(HTTPException)(no_route)
    return app


def _entry(path: str) -> Any:
    def entry(dispatcher: Dispatcher, request: Request, **values: str) -> Deferred[None]:
        return dispatcher.enter(request, path, values)

    return entry


def _shown_csrf(request: Request) -> str:
    """Return the CSRF token that a request shows: from a header, or from the field ``csrf`` of a form."""
    shown = request.getHeader(CSRF_HEADER)
    return shown if shown is not None else form_of(request).get("csrf", "")


def _write(request: Request, reply: Reply[Any]) -> None:
    body = reply.content if isinstance(reply.content, bytes) else _encode(reply.content)
    request.setResponseCode(reply.status, PHRASES.get(reply.status))
    text = reply.content_type.startswith("text/") or reply.content_type.endswith("json")
    if reply.status == 304:
        return
    charset = "; charset=utf-8" if text and "charset" not in reply.content_type else ""
    request.setHeader("Content-Type", reply.content_type + charset)
    for name, value in reply.headers.items():
        request.setHeader(name, value)
    if GZIP_FROM <= len(body) <= GZIP_TO and text and "Content-Encoding" not in reply.headers:
        request.setHeader("Vary", "Accept-Encoding")
        if "gzip" in (request.getHeader("accept-encoding") or ""):
            body = gzip.compress(body, compresslevel=4, mtime=0)
            request.setHeader("Content-Encoding", "gzip")
    request.setHeader("Content-Length", str(len(body)))
    if request.method != b"HEAD":
        request.write(body)
