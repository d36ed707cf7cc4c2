"""Base stations."""

from __future__ import annotations

from collections.abc import Iterator

from bssci.web.api.schemas.common import OfLastDay, told
from bssci.web.api.schemas.stations import StationDetail, StationHistory, StationList
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.replies import Done
from bssci.web.http.routing import Route, alias, route, routes_of
from bssci.web.reports.facade import Views
from bssci.web.reports.history import range_of


class StationRoutes:
    """Routes for the base stations, each under two spellings."""

    def __init__(self, context: Context, views: Views) -> None:
        self._views = views.stations
        self._commands = context.center.commands

    @route("GET", "/api/base_stations", "viewer", "Base stations: connected, connecting, known but offline")
    async def all(self, call: Call) -> StationList:
        return told(StationList, await self._views.list())

    @route("GET", "/api/base_stations/{eui}", "viewer", "One base station and its timeline")
    async def detail(self, call: Call) -> StationDetail:
        return told(StationDetail, await self._views.detail(call.eui()))

    @route("GET", "/api/base_stations/{eui}/history", "viewer", "What it reported over time")
    async def history(self, call: Call, query: OfLastDay) -> StationHistory:
        return told(StationHistory, await self._views.history(call.eui(), range_of(query.range)))

    @route(
        "DELETE",
        "/api/base_stations/{eui}",
        "admin",
        "Forget one, with its session and the certificate that it showed; it may come anew",
    )
    async def forget(self, call: Call) -> Done:
        await self._commands.forget_station(call.eui(), call.asker)
        return Done()

    def routes(self) -> Iterator[Route]:
        """Yield each route under both spellings."""
        for each in routes_of(self):
            yield each
            yield alias(each, each.path.replace("base_stations", "base-stations"))
