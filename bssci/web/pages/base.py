"""Parts that the data of several pages have in common: paging, charts, timelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bssci.center.devices.gateways import Gateway
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.live.sentences import state_of
from bssci.web.reports.facade import Views
from bssci.web.reports.ranges import RANGES

PER_PAGE = 50
MAX_PAGE = 1_000_000


class PageData:
    """Base of the classes that give groups of pages their data."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views

    def _names(self) -> dict[str, str]:
        """Return the names of base stations, by EUI; those without a name are left out."""
        stations = self._context.center.stations
        return {station.eui: station.state.name for station in stations if station.state.name}

    def _gateways(self) -> dict[str, Gateway]:
        """Return scanners and controllers, by what devices call them."""
        return {gateway.own_id: gateway for gateway in self._context.center.gateways}

    def _gateway_names(self) -> dict[str, str]:
        """Return the names of base stations and other gateways, by what devices call them."""
        gateways = {id: gateway.name for id, gateway in self._gateways().items() if gateway.name}
        return gateways | self._names()


def arguments(call: Call, *names: str) -> dict[str, str]:
    """Return the arguments of the query that links and fields of the page keep."""
    return {name: text for name in names if (text := call.text(name))}


def range_name(call: Call) -> str:
    return call.choice("range", tuple(RANGES), "hour") or "hour"


def page_number(call: Call) -> int:
    return call.integer("page", 1, 1, MAX_PAGE)


def within(page: int, per_page: int, total: int) -> int:
    """Return the page of a list to show: the last one, if the list has become shorter."""
    return min(page, max(1, -(-total // per_page)))


def paging(page: int, per_page: int, total: int) -> dict[str, int]:
    first = (page - 1) * per_page
    return {
        "page": page,
        "pages": max(1, -(-total // per_page)),
        "per_page": per_page,
        "total": total,
        "first": min(first + 1, total),
        "last": min(first + per_page, total),
    }


def timeline(events: Sequence[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """Return events as entries of a timeline, each with its base station."""
    return [
        {
            "at": event["timestamp"],
            "title": event["title"],
            "text": names.get(station, station) if (station := event.get("base_station_eui")) else "",
            "state": state_of(event),
        }
        for event in events
    ]


def chart(
    name: str, title: str, unit: str, measured: dict[str, Any], series: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """Return a chart as :func:`bssci.web.pages.charts.draw` takes it; ``measured`` holds start and end."""
    return {
        "id": name,
        "title": title,
        "unit": unit,
        "kind": "area" if len(series) == 1 else "line",
        "start": measured["start"],
        "end": measured["end"],
        "series": [{"name": each, "points": points} for each, points in series.items()],
        **more,
    }
