"""Pages of base stations."""

from __future__ import annotations

from typing import Any

from bssci.web.formats import share
from bssci.web.http.call import Call
from bssci.web.pages.base import (
    PER_PAGE,
    PageData,
    arguments,
    chart,
    page_number,
    paging,
    range_name,
    timeline,
    within,
)
from bssci.web.reports.ranges import RANGES
from bssci.web.reports.stations import STATES, matches

SORTS = ("name", "state", "since", "uplink_rate", "sensors_attached")


class StationPages(PageData):
    """The data of the pages of base stations."""

    async def stations(self, call: Call) -> dict[str, Any]:
        """Return the list of base stations. Query: q, state, sort, page."""
        listed = await self._views.stations.list()
        page, state = page_number(call), call.choice("state", STATES)
        rows = [row for row in listed["base_stations"] if matches(row, call.text("q"), state)]
        sort = call.choice("sort", (*SORTS, *(f"-{each}" for each in SORTS)))
        if sort:
            key = sort.removeprefix("-")
            rows.sort(key=lambda row: _comparable(row[key]), reverse=sort.startswith("-"))
        page = within(page, PER_PAGE, len(rows))
        first = (page - 1) * PER_PAGE
        return {
            "rows": rows[first : first + PER_PAGE],
            "counts": {"all": listed["total"], **listed["counts"]},
            "refused": listed["refused"],
            "entered": sum(row["entered_at"] is not None for row in rows),
            "paging": paging(page, PER_PAGE, len(rows)),
            "args": arguments(call, "q", "state", "sort"),
            "chosen_stations": arguments(call, "q", "state"),
        }

    async def station_import(self, call: Call) -> dict[str, Any]:
        """Return nothing: the script of the page asks the API."""
        return {}

    async def station_form(self, call: Call) -> dict[str, Any]:
        """Return the configured entry of a base station. Query for a new one: eui."""
        if "eui" not in call.path:
            return {"eui": call.optional_eui("eui") or ""}
        detail = await self._views.stations.detail(call.eui())
        entry = self._context.center.entries.get(detail["eui"])
        return {"station": detail | {"given_name": entry.name if entry is not None else ""}}

    async def station(self, call: Call) -> dict[str, Any]:
        """Return everything about one base station. Query: range."""
        span = range_name(call)
        detail = await self._views.stations.detail(call.eui())
        measured = await self._views.stations.history(detail["eui"], RANGES[span])
        return {
            "station": detail,
            "alarms": self._views.alarms.open_of(call.eui()),
            "timeline": timeline([each | {"base_station_eui": None} for each in detail["timeline"]], {}),
            "charts": _charts(measured),
            "range": span,
        }


def _charts(measured: dict[str, Any]) -> list[dict[str, Any]]:
    series = measured["series"]
    loads = {"CPU": _per_cent(series["cpu_load"]), "memory": _per_cent(series["memory_load"])}
    duty, warmth = {"duty cycle": _per_cent(series["duty_cycle"])}, {"temperature": series["temperature"]}
    return [
        chart("load", "CPU and memory", "%", measured, loads, y_min=0),
        chart("duty", "Duty cycle", "%", measured, duty, y_min=0),
        chart("temperature", "Temperature", "\N{DEGREE SIGN}C", measured, warmth),
    ]


def _per_cent(points: list[list[float]]) -> list[list[float]]:
    return [[at, share(value) * 100] for at, value in points]


def _comparable(value: Any) -> tuple[bool, Any]:
    """Return the key by which a value is sorted; unknown values come last."""
    return (value is None, value.casefold() if isinstance(value, str) else value or 0)
