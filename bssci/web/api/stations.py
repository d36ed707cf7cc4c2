"""Base stations: looked at, registered ahead, named, blocked, forgotten; many at once by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bssci.model.base_station import StationChange, StationError, parse_station_change, station_faults
from bssci.web.api.schemas.common import DryRun, OfLastDay, OnlyNew, told
from bssci.web.api.schemas.stations import (
    NewStation,
    StationDetail,
    StationFields,
    StationHistory,
    StationList,
    StationsImported,
    StationStored,
    WantedStationFile,
)
from bssci.web.api.spreadsheets import ANY, CSV
from bssci.web.api.station_files import read_stations, write_csv, write_json
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, invalid_fields
from bssci.web.http.replies import Done, Reply, saved_as
from bssci.web.http.routing import JSON, Route, alias, route, routes_of
from bssci.web.reports.facade import Views
from bssci.web.reports.history import range_of

MAX_FILE = 4 * 1024 * 1024
"""bytes of an import"""


class StationRoutes:
    """Routes for the base stations, each under two spellings."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._center = context.center
        self._views = views.stations
        self._commands = context.center.commands

    # looking

    @route("GET", "/api/base_stations", "viewer", "Base stations: connected, connecting, offline, expected")
    async def all(self, call: Call) -> StationList:
        return told(StationList, await self._views.list())

    @route(
        "GET",
        "/api/base_stations/export",
        "viewer",
        "What people have entered about base stations, all or a selection, as a file",
        answer=list[NewStation],
        also=(CSV,),
    )
    async def export(self, call: Call, query: WantedStationFile) -> Reply[bytes]:
        is_csv = query.format == "csv"
        entries = await self._views.entries(query.q, query.state or "")
        body = (write_csv if is_csv else write_json)(entries)
        headers = saved_as(f"base-stations.{query.format}")
        return Reply(body, CSV if is_csv else JSON, headers=headers)

    @route("GET", "/api/base_stations/{eui}", "viewer", "One base station and its timeline")
    async def detail(self, call: Call) -> StationDetail:
        return told(StationDetail, await self._views.detail(call.eui()))

    @route("GET", "/api/base_stations/{eui}/history", "viewer", "Status reports of a base station over time")
    async def history(self, call: Call, query: OfLastDay) -> StationHistory:
        return told(StationHistory, await self._views.history(call.eui(), range_of(query.range)))

    # changing

    @route(
        "POST",
        "/api/base_stations",
        "admin",
        "Register one ahead, or change what is entered about it",
        takes={JSON: NewStation},
    )
    async def register(self, call: Call, query: OnlyNew) -> StationStored:
        change = _change(call.json())
        created = self._center.stations.get(change.eui) is None
        await self._commands.stations.change(change, call.actor, is_new=True, only_new=query.only_new)
        return StationStored(eui=change.eui, created=created)

    @route(
        "PATCH",
        "/api/base_stations/{eui}",
        "admin",
        "Name, place, tag or block one; who is blocked is refused from then on, and cut off",
        takes={JSON: StationFields},
    )
    async def change(self, call: Call) -> StationStored:
        change = _change(call.json() | {"eui": call.eui()})
        await self._commands.stations.change(change, call.actor)
        return StationStored(eui=change.eui, created=False)

    @route(
        "POST",
        "/api/base_stations/import",
        "admin",
        "Register or change many; all or nothing, with every wrong row named",
        takes={JSON: list[NewStation], CSV: str, ANY: bytes},
        max_body=MAX_FILE,
    )
    async def import_(self, call: Call, query: DryRun) -> StationsImported:
        kind = call.content_type()
        if kind not in (JSON, CSV, ANY):
            raise ApiError(415, "unsupported_media_type", f"the body must be {JSON}, {CSV} or {ANY}")
        found = await self._context.run_in_thread(read_stations, call.body(), kind)
        known = [change for change in found.entries if self._center.stations.get(change.eui) is not None]
        changed = sum(map(self._commands.stations.would_change, known))
        report = {
            "rows": found.rows,
            "added": len(found.entries) - len(known),
            "changed": changed,
            "unchanged": len(known) - changed,
            "wrong": found.wrong,
            "errors": found.errors,
        }
        if not query.dry_run:
            if found.wrong:
                first = found.errors[0]
                text = f"row {first['row']}: {first['field']} {first['message']}"
                raise ApiError(422, "invalid", text, first["field"], more=report)
            if not found.entries:
                raise ApiError(422, "invalid", "the file holds no base stations")
            await self._commands.stations.import_(found.entries, call.actor)
        return told(StationsImported, {"dry_run": query.dry_run, **report})

    @route(
        "DELETE",
        "/api/base_stations/{eui}",
        "admin",
        "Forget one, with its entry, its session and the certificate that it showed; it may come anew",
    )
    async def forget(self, call: Call) -> Done:
        await self._commands.stations.forget(call.eui(), call.actor)
        return Done()

    def routes(self) -> Iterator[Route]:
        """Yield each route under both spellings."""
        for each in routes_of(self):
            yield each
            yield alias(each, each.path.replace("base_stations", "base-stations"))


def _change(entry: Mapping[str, Any]) -> StationChange:
    """Return the change that an entry stands for.

    :raises ApiError: 422
    """
    try:
        return parse_station_change(entry)
    except StationError:
        raise invalid_fields(station_faults(entry)) from None
