"""The page of a sensor's readings over a span of time: a chart for each reading, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.center.decoding.collecting import ChartValue, Past, Series, TimeStep
from bssci.decoders.bluetooth.presence import PLACE
from bssci.model import parse_eui
from bssci.model.device_id import sensor_device
from bssci.web.api.schemas.readings import parse_moment
from bssci.web.http.call import Call
from bssci.web.http.errors import invalid
from bssci.web.pages.base import PageData
from bssci.web.pages.charts import WORDS
from bssci.web.pins import PinWords, is_state, pin_words
from bssci.web.reports.decoders import device_in_path

HOUR, DAY = 3600.0, 86400.0
SPANS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY, "year": 365 * DAY}
"""length of a range in s, by its name"""
STEPS = (10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY)
"""lengths in s that a step of a chart may have"""
MAX_STEPS = 400
"""steps of a chart, at most"""
MAX_ROWS = 200
"""rows of the table, at most"""
SHORTEST, LONGEST = 60.0, 10 * 365 * DAY
"""shortest and longest span in s that a zoom may show"""


class ReadingPages(PageData):
    """The data of the page of readings."""

    async def readings(self, call: Call) -> dict[str, Any]:
        """Return the readings of a sensor. Query: range, or ``from`` and ``to`` of a zoom."""
        eui = parse_eui(call.eui())
        sensor = self._views.sensors.sensor(eui)
        return await self._readings(call, sensor_device(eui)) | {"sensor": {"eui": eui, "name": sensor.name}}

    async def device_readings(self, call: Call) -> dict[str, Any]:
        """Return the readings of any device, by its id. Query: as for :meth:`readings`."""
        id = device_in_path(call.path["id"])
        known = self._context.center.devices.get(id)
        return await self._readings(call, id) | {"sensor": None, "name": known.name if known else ""}

    async def _readings(self, call: Call, device: str) -> dict[str, Any]:
        views = self._views
        name = call.choice("range", tuple(SPANS), "day") or "day"
        since, until = self._span(call, name)
        zoomed = bool(call.text("from"))
        every, names = step_for(until - since), self._gateway_names()
        past = None
        if self._context.outside.decoders is not None:
            past = await views.readings.past.read(device, since, until, every=every, most=MAX_STEPS + 1)
        return {
            "device": device if past is not None else "",
            "range": "" if zoomed else name,
            "spans": list(SPANS),
            "since": since,
            "until": until,
            "every": every,
            "zoom": _moves(since, until, self._context.now()),
            "charts": _charts(device, past, since, until, every) if past is not None else [],
            "texts": [_text(series, names) for series in past.series if series.points]
            if past is not None
            else [],
            "table": _table(device, past) if past is not None else {"columns": [], "rows": [], "more": 0},
            "past": {
                "decoder": past.decoder,
                "uplinks": past.uplinks,
                "failed": past.failed,
                "without_decoder": past.without_decoder,
                "complete": past.complete,
                "failure": past.failure,
            }
            if past is not None
            else {},
        }

    def _span(self, call: Call, name: str) -> tuple[float, float]:
        texts = call.text("from"), call.text("to")
        now = self._context.now()
        if not texts[0]:
            return now - SPANS[name], now
        try:
            since = parse_moment(texts[0])
            until = parse_moment(texts[1]) if texts[1] else now
        except ValueError:
            raise invalid("from", "must be a time, as must to") from None
        if not SHORTEST <= until - since <= LONGEST:
            raise invalid("from", "must be a minute to ten years before to")
        return since, until


def step_for(seconds: float) -> float:
    """Return the length of a step in s with which a span has at most :data:`MAX_STEPS` steps."""
    return next((step for step in STEPS if seconds / step <= MAX_STEPS), STEPS[-1])


def _moves(since: float, until: float, now: float) -> dict[str, tuple[int, int]]:
    """Return the spans that links lead to, by the name of the link."""
    length = until - since
    middle = since + length / 2
    moves = {"Earlier": (since - length / 2, until - length / 2)}
    if until < now - length / 100:
        moves["Later"] = (since + length / 2, min(until + length / 2, now))
    if length / 2 >= SHORTEST:
        moves["Zoom in"] = (middle - length / 4, middle + length / 4)
    if length * 2 <= LONGEST:
        moves["Zoom out"] = (max(middle - length, 0.0), min(middle + length, now))
    return {name: (int(start), int(end)) for name, (start, end) in moves.items()}


def _charts(device: str, past: Past, since: float, until: float, every: float) -> list[dict[str, Any]]:
    """Return the charts: measurements first, then flags, then the battery."""
    drawn = [
        _chart(series, pin_words(device, series.name), since, until, every)
        for series in past.series
        if series.steps
    ]
    return sorted(drawn, key=lambda chart: 2 if "battery" in chart["name"] else int(chart["kind"] == "flag"))


def _chart(
    series: Series, words: PinWords | None, since: float, until: float, every: float
) -> dict[str, Any]:
    """Return a chart with a point in the middle of each step, and a gap where the sensor was silent."""
    if words is not None and all(is_state(step.least) and is_state(step.most) for step in series.steps):
        return _flag(series, since, until, every) | {"words": words}
    if all(map(_is_flag, series.steps)):
        return _flag(series, since, until, every)
    gap = max(_usual_distance(series.steps), every) * 2.5
    points: list[list[float | None]] = []
    before: float | None = None
    for step in series.steps:
        at = min(max(step.at + every / 2, since), until)
        if before is not None and step.at - before > gap:
            points.append([step.at - every, None])
        before = step.at
        points.append([at, step.mean])
    spread = any(step.least != step.most for step in series.steps)
    return {
        "id": f"reading-{series.name}",
        "name": series.name,
        "unit": series.unit or "",
        "kind": "line",
        "start": since,
        "end": until,
        "series": [{"name": series.name, "points": points}],
        **({"band": _band(series.steps, since, until, every)} if spread else {}),
    }


def _flag(series: Series, since: float, until: float, every: float) -> dict[str, Any]:
    """Return a chart of yes and no as a stepped line. Each value is valid until the next; a step with both
    counts as yes.
    """
    gap = max(_usual_distance(series.steps), every) * 2.5
    points: list[list[float | None]] = []
    before: TimeStep | None = None
    for step in series.steps:
        at = min(max(step.at, since), until)
        if before is not None and step.at - before.at > gap:
            points += [[before.at + every, float(before.most)], [before.at + every, None]]
        points.append([at, float(step.most)])
        before = step
    if before is not None:
        points.append([min(before.at + every, until), float(before.most)])
    return {
        "id": f"reading-{series.name}",
        "name": series.name,
        "unit": "",
        "kind": "flag",
        "start": since,
        "end": until,
        "series": [{"name": series.name, "points": points}],
    }


def _band(steps: list[TimeStep], since: float, until: float, every: float) -> list[list[float]]:
    return [[min(max(step.at + every / 2, since), until), step.least, step.most] for step in steps]


def _usual_distance(steps: list[TimeStep]) -> float:
    distances = sorted(later.at - earlier.at for earlier, later in zip(steps, steps[1:], strict=False))
    return distances[len(distances) // 2] if distances else 0.0


def _text(series: Series, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the newest values of a reading that is text, newest first.

    :param names: names of gateways, for the reading that says at which one a device is.
    """
    known = names if series.name == PLACE else {}
    newest = [
        {"at": point.at, "value": known.get(str(point.value), point.value)}
        for point in reversed(series.points[-20:])
    ]
    return {"name": series.name, "points": newest}


def _table(device: str, past: Past) -> dict[str, Any]:
    """Return the steps as rows, newest first, with a column for each reading."""
    rows: dict[float, dict[str, TimeStep | ChartValue]] = {}
    for series in past.series:
        for step in series.steps:
            rows.setdefault(step.at, {})[series.name] = step
    shown = sorted(rows, reverse=True)[:MAX_ROWS]
    columns = [{"name": series.name, "unit": series.unit or ""} for series in past.series if series.steps]
    names = [column["name"] for column in columns]
    return {
        "columns": columns,
        "rows": [
            {"at": at, "cells": [_cell(device, name, rows[at].get(name)) for name in names]} for at in shown
        ],
        "more": max(0, len(rows) - MAX_ROWS),
    }


def _is_flag(step: TimeStep) -> bool:
    """Return whether all values of a step were yes or no."""
    return isinstance(step.least, bool) and isinstance(step.most, bool)


def _states(words: tuple[str, str], step: TimeStep) -> str:
    """Return the state in a step, or both if it changed."""
    least, most = words[int(step.least)], words[int(step.most)]
    return most if least == most else f"{least} and {most}"


def _cell(device: str, name: str, step: TimeStep | ChartValue | None) -> dict[str, Any]:
    if not isinstance(step, TimeStep):
        return {"value": None}
    words = pin_words(device, name)
    if words is not None and is_state(step.least) and is_state(step.most):
        return {"value": _states(words, step)}
    if _is_flag(step):
        return {"value": _states(WORDS, step)}
    spread = step.least != step.most
    return {"value": step.mean, "least": step.least if spread else None, "most": step.most}
