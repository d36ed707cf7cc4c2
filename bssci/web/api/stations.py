"""Base stations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bssci.web.api.schemas import list_of, object_of, span, success
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.routing import Route, alias, route, routes_of
from bssci.web.reports.facade import Views
from bssci.web.reports.history import range_of


class StationRoutes:
    """See the module."""

    def __init__(self, context: Context, views: Views) -> None:
        self._views = views.stations
        self._commands = context.center.commands

    @route(
        "GET",
        "/api/base_stations",
        "viewer",
        "Base stations: connected, connecting, known but offline",
        answer=object_of(("base_stations",), base_stations=list_of({"type": "object"})),
    )
    async def all(self, call: Call) -> dict[str, Any]:
        return await self._views.list()

    @route("GET", "/api/base_stations/{eui}", "viewer", "One base station and its timeline")
    async def detail(self, call: Call) -> dict[str, Any]:
        return await self._views.detail(call.eui())

    @route(
        "GET",
        "/api/base_stations/{eui}/history",
        "viewer",
        "What it reported over time",
        parameters=(span("day"),),
    )
    async def history(self, call: Call) -> dict[str, Any]:
        return await self._views.history(call.eui(), range_of(call.text("range") or "day"))

    @route(
        "DELETE",
        "/api/base_stations/{eui}",
        "admin",
        "Forget one, with its session and the certificate that it showed; it may come anew",
        answer=success(),
    )
    async def forget(self, call: Call) -> dict[str, Any]:
        await self._commands.forget_station(call.eui(), call.asker)
        return {"success": True}

    def routes(self) -> Iterator[Route]:
        """Each under both spellings."""
        for each in routes_of(self):
            yield each
            yield alias(each, each.path.replace("base_stations", "base-stations"))
