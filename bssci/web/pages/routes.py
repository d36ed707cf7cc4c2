"""Routes of the pages: the data that all pages get, logging in and out by plain forms, and pages for
errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.web.http import Request

from bssci.web.access.csrf import masked
from bssci.web.access.sessions import Identity
from bssci.web.context import Context
from bssci.web.http.call import MAX_TEXT, Call, form_of, wants_json
from bssci.web.http.entrance import Entrance
from bssci.web.http.errors import ApiError
from bssci.web.http.proxies import visit_of
from bssci.web.http.replies import Reply
from bssci.web.http.routing import Route, RouteHandler, page, routes_of
from bssci.web.pages import table as pages
from bssci.web.pages.table import PAGES, Page
from bssci.web.pages.views import PageViews
from bssci.web.reports.facade import Views

THEMES = ("auto", "light", "dark")
TITLES = {
    400: "Request not understood",
    403: "Not allowed",
    404: "Not found",
    422: "That is not allowed",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not available now",
}


class PageRoutes:
    """Routes of all pages, and of the forms to log in, log out and set up."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views
        self._page_views = PageViews(context, views)
        self._entrance = Entrance(context.guard, context.audit)

    def routes(self) -> Iterator[Route]:
        """Yield the routes of all pages and forms."""
        yield from routes_of(self)
        for each in PAGES:
            yield Route(
                "GET",
                each.path.replace("<", "{").replace(">", "}"),
                each.role,
                f"Page {each.view}",
                self._handler(each),
                page=True,
                content_type="text/html",
            )

    def _handler(self, shown: Page) -> RouteHandler:
        view = getattr(self._page_views, shown.view)

        async def handle(call: Call) -> Reply[bytes] | dict[str, Any]:
            if shown.view == "configuration" and wants_json(call.request):
                return await self._views.config.named()
            data = await view(call)
            verdict = await self._views.status.verdict()
            return _rendered(shown.template, self._base(call) | {"verdict": verdict} | data)

        return handle

    def _base(self, call: Call) -> dict[str, Any]:
        """Return the data that every page gets."""
        request, identity = call.request, call.known
        query = request.uri.partition(b"?")[2].decode("ascii", "replace")
        session = identity.session if identity is not None else None
        return {
            "user": {"name": identity.name, "role": identity.role} if identity is not None else None,
            "csrf": masked(session.csrf) if session is not None else "",
            "path": request.path.decode("utf-8", "replace"),
            "prefix": call.prefix,
            "query": query,
            "theme": _theme(request),
            "needs_restart": self._views.config.needs_restart(),
            **self._common(),
        }

    def _common(self) -> dict[str, Any]:
        return {
            "version": self._context.center.version,
            "now": self._context.now(),
            "timezone": self._context.settings.timezone,
            "certificate_days": self._context.settings.alarm_certificate_days,
        }

    def error(self, error: ApiError, identity: Identity | None, request: Request) -> bytes:
        """Return the page for an error."""
        user = {"name": identity.name, "role": identity.role} if identity is not None else None
        path = request.path.decode("utf-8", "replace")
        text = pages.render(
            "error.html",
            status=error.status,
            title=TITLES.get(error.status, "Something went wrong"),
            message=error.message if error.status != 500 else "",
            missing=_missing(path) if user and error.status == 404 else None,
            user=user,
            csrf="",
            path=path,
            prefix=visit_of(request).prefix,
            theme=_theme(request),
            **self._common(),
        )
        return text.encode("utf-8", "replace")

    # Session

    @page("/login", None, "Page login")
    async def login(self, call: Call) -> Reply[bytes]:
        if call.known is not None:
            return _see(call, _local(call.text("next")))
        return self._login_page(call, call.text("next"))

    @page("/login", None, "Log in by a form", method="POST")
    async def log_in(self, call: Call) -> Reply[bytes]:
        _check_own(call)
        form = form_of(call.request)
        name, wanted = form.get("username", ""), form.get("next", "")
        try:
            _, cookie = await self._entrance.log_in(call, name, form.get("password", ""))
        except ApiError as error:
            return self._login_page(call, wanted, error, name)
        return _see(call, _local(wanted), cookie)

    def _login_page(
        self, call: Call, wanted: str, error: ApiError | None = None, name: str = ""
    ) -> Reply[bytes]:
        shown = {
            "username": name[:MAX_TEXT],
            "next": wanted,
            "error": error.message if error is not None else "",
            "setup_hint": bool(self._context.guard.setup_secret),
        }
        status = error.status if error is not None else 200
        reply = _rendered("login.html", self._base(call) | shown, status)
        if error is not None and error.retry_after is not None:
            reply.headers["Retry-After"] = str(round(error.retry_after))
        return reply

    @page("/logout", "viewer", "Log out by a form", method="POST")
    async def log_out(self, call: Call) -> Reply[bytes]:
        return _see(call, "/login", await self._entrance.log_out(call))

    @page("/setup", None, "Page set-up")
    async def setup(self, call: Call) -> Reply[bytes]:
        if not self._context.guard.setup_secret:
            return _see(call, "/login")
        return _rendered("setup.html", self._base(call) | {"token": call.text("token"), "error": ""})

    @page("/setup", None, "The first account by a form", method="POST")
    async def set_up(self, call: Call) -> Reply[bytes]:
        _check_own(call)
        form = form_of(call.request)
        token, name, password = (form.get(field, "") for field in ("token", "username", "password"))
        try:
            await self._entrance.set_up(call, token, name, password)
        except ApiError as error:
            text = f"{error.field}: {error.message}" if error.field else error.message
            return _rendered("setup.html", self._base(call) | {"token": token, "error": text}, error.status)
        _, cookie = await self._entrance.log_in(call, name, password)
        return _see(call, "/", cookie)


def _missing(path: str) -> dict[str, str]:
    """Return the list that a page of something belongs to, and the EUI that the audit log can be searched
    for; empty where there is none.
    """
    _, first, *rest = path.split("/")
    is_listed = rest and any(each.path == f"/{first}" for each in PAGES)
    return {
        "list": f"/{first}" if is_listed else "",
        "eui": rest[0] if is_listed and first in ("sensors", "stations") else "",
    }


def _theme(request: Request) -> str:
    """Return the colours that the user has chosen; those of the system if none."""
    theme = (request.getCookie(b"theme") or b"").decode("ascii", "replace")
    return theme if theme in THEMES else "auto"


def _rendered(template: str, data: dict[str, Any], status: int = 200) -> Reply[bytes]:
    return Reply(pages.render(template, **data).encode("utf-8", "replace"), "text/html", status)


def _check_own(call: Call) -> None:
    """Refuse a form that another site sends, where there is no session whose CSRF token would protect.

    :raises ApiError: 403
    """
    if call.header("sec-fetch-site") in ("cross-site", "same-site"):
        raise ApiError(403, "forbidden", "this form came from another site")


def _local(path: str) -> str:
    """Return the path to go to after logging in; never one that leads to another site."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe and "\\" not in path and path.isascii() else "/"


def _see(call: Call, path: str, headers: dict[str, str] | None = None) -> Reply[bytes]:
    return Reply(b"", "text/html", 303, {"Location": call.prefix + path, **(headers or {})})
