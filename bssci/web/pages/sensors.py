"""Pages of sensors."""

from __future__ import annotations

from typing import Any

from bssci.model import parse_eui
from bssci.model.device_id import sensor_device
from bssci.web.formats import duration
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
from bssci.web.pages.columns import columns_of, in_short, remembered
from bssci.web.reports.ranges import RANGES
from bssci.web.reports.standings import SORTS, STATUSES

MAX_PER_PAGE = 200
UPLINKS = 25
"""uplinks on a sensor's page"""
HISTORY = 20
UNKNOWN = 200
WRONG = 50
OWN = {"eui", "nwKey", "shortAddr", "decoderParameters"}
"""fields of a sensor that no other has, or that may hold keys"""


class SensorPages(PageData):
    """The data of the pages of sensors."""

    async def sensors(self, call: Call) -> dict[str, Any]:
        """Return the list of sensors. Query: q, status, tag, station, sort, page, per_page."""
        page, per_page = page_number(call), call.integer("per_page", PER_PAGE, 1, MAX_PER_PAGE)
        status = call.choice("status", STATUSES)
        # Of silent sensors, those come first that are detached first.
        sort = "detach_at" if status == "warning" else "eui"
        asked: dict[str, Any] = {
            "q": call.text("q"),
            "status": status,
            "sort": call.choice("sort", (*SORTS, *(f"-{each}" for each in SORTS)), sort) or sort,
            "per_page": per_page,
            "tag": call.text("tag"),
            "station": call.optional_eui("station"),
        }
        listed = await self._views.sensors.list(**asked, page=page)
        if (last := within(page, per_page, listed["matching"])) != page:
            page = last
            listed = await self._views.sensors.list(**asked, page=page)
        names, connected = self._names(), len(self._context.center.stations.connected())
        latest = await self._views.readings.latest_of_many(
            sensor_device(row["eui"]) for row in listed["sensors"]
        )
        return {
            "rows": [
                _row(row, names, connected) | {"values": each.values, "short": in_short(each.values)}
                for row, each in zip(listed["sensors"], latest.values(), strict=True)
            ],
            **columns_of(latest.values(), remembered(call)),
            "counts": {"all": listed["total"], **listed["counts"]},
            "wrong": self._views.sensors.wrong(WRONG),
            "unknown_count": len(self._context.center.unknown_sensors()),
            "paging": paging(page, per_page, listed["matching"]),
            "choices": self._views.readings.choices(),
            "args": arguments(call, "q", "status", "tag", "station", "sort", "per_page", "show"),
            "chosen_sensors": arguments(call, "q", "status", "tag", "station"),
        }

    async def unknown_sensors(self, call: Call) -> dict[str, Any]:
        listed = await self._views.sensors.unknown(UNKNOWN)
        names = self._names()
        return {
            "rows": [row | {"station_name": names.get(row["base_station_eui"])} for row in listed["sensors"]],
            "total": listed["total"],
        }

    async def sensor_form(self, call: Call) -> dict[str, Any]:
        """Return the data for the form of a sensor.

        Query for a new sensor: eui, and like, the EUI of a sensor whose fields the form begins with.
        """
        choices, like = self._views.readings.choices(), call.optional_eui("like")
        if "eui" in call.path:
            configuration = (await self._views.sensors.detail(call.eui()))["configuration"]
            return {"sensor": configuration, "eui": None, "choices": choices}
        copied = (await self._views.sensors.detail(like))["configuration"] if like else {}
        return {
            "sensor": None,
            "eui": call.text("eui"),
            "like": {name: value for name, value in copied.items() if name not in OWN},
            "like_eui": like,
            "choices": choices,
        }

    async def sensor_import(self, call: Call) -> dict[str, Any]:
        return {}

    async def sensor(self, call: Call) -> dict[str, Any]:
        """Return everything about one sensor. Query: range."""
        eui, span, views = parse_eui(call.eui()), range_name(call), self._views.sensors
        detail = await views.detail(eui)
        uplinks = (await views.uplinks(eui, UPLINKS))["uplinks"]
        signal = await views.signal(eui, RANGES[span])
        latest = await self._views.readings.latest(sensor_device(eui))
        names, connected = self._names(), len(self._context.center.stations.connected())
        return {
            "latest": latest._asdict(),
            "choices": self._views.readings.choices() if latest.undecoded or latest.failure else [],
            "sensor": _row(detail, names, connected) | {"when_silent": self._when_silent(detail)},
            "registrations": sorted(detail["registrations"], key=_order),
            "paths": [path | {"name": names.get(path["base_station_eui"])} for path in detail["paths"]],
            "uplinks": [up | {"lost_before": signal["lost_before"].get(up["seq"])} for up in uplinks],
            "names": names,
            "lost": signal["lost"],
            "charts": _charts(signal, names),
            "range": span,
            "timeline": timeline((await views.history(eui, HISTORY))["events"], names),
            "downlinks": (await views.downlinks(eui))["downlinks"],
        }

    def _when_silent(self, detail: dict[str, Any]) -> dict[str, Any]:
        """Return what happens if a sensor is not heard, in words, and the Unix seconds at which, if known."""
        left, at = detail["seconds_until_detach"], None
        if detail["registration"] == "detached":
            text = "nothing, as it is detached"
        elif not detail["configuration"]["autoDetach"]:
            text = "stays attached"
        elif not self._context.settings.auto_detach_enabled:
            text = "stays attached, as AUTO_DETACH_ENABLED is false"
        elif left is None:
            text = "nothing until it is heard; then warned, then detached"
        elif not left:
            text = "detached at the next check"
        elif detail["detach_at"] is None:
            text = f"warned, then detached after {duration(left)} in which a base station is connected"
        else:
            text, at = "warned, then detached on", detail["detach_at"]
        return {"text": text, "at": at}


def _row(row: dict[str, Any], names: dict[str, str], connected: int) -> dict[str, Any]:
    """Return a row with its state, the state in words, and the name of the base station that hears the sensor
    best.
    """
    state, text = _state(row, connected)
    return row | {
        "state": state,
        "state_text": text,
        "seconds_until_detach": row["seconds_until_detach"] if row["registration"] == "attached" else None,
        "detach_at": row["detach_at"] if row["registration"] == "attached" else None,
        "best_station": row["preferred_path"],
        "best_station_name": names.get(row["preferred_path"]),
        "connected": connected,
        "attached_at_others": row["attached_at"] - row["attached_at_connected"],
    }


def _state(row: dict[str, Any], connected: int) -> tuple[str, str]:
    if row["refused_by"]:
        return "refused", "refused"
    if row["registration"] == "detached":
        return "detached", "auto-detached" if row["status"] == "auto-detached" else "detached"
    if not row["attached_at"]:
        return "pending", "waiting for a station"
    if row["attached_at_connected"] < connected:
        return "partial", "partly attached"
    return "attached", "attached"


def _order(registration: dict[str, Any]) -> tuple[bool, bool]:
    """Return what registrations are sorted by: where the sensor is not attached, then offline stations."""
    return registration["state"] == "attached", registration["connected"] is not False


def _charts(signal: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]]:
    stations = signal["stations"]
    by_name = {eui: names.get(eui, eui) for eui in stations}
    snr = {by_name[eui]: each["snr"] for eui, each in stations.items()} or {"SNR": []}
    rssi = {by_name[eui]: each["rssi"] for eui, each in stations.items()} or {"RSSI": []}
    return [
        chart("snr", "SNR", "dB", signal, snr, kind="line"),
        chart("rssi", "RSSI", "dBm", signal, rssi, kind="line"),
    ]
