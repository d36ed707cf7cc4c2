"""Measurements of devices: decoded by the present decoders from the kept payloads."""

from __future__ import annotations

import re

from bssci.center.decoding.collecting import MAX_NAMES, Past
from bssci.model.device_id import eui_of_device
from bssci.model.iso_times import iso_milliseconds
from bssci.system.utc import DAY
from bssci.web.api.schemas.readings import (
    MAX_JSON_LIMIT,
    DeviceReadings,
    ReadingFailed,
    ReadingSeries,
    WantedReadings,
)
from bssci.web.api.spreadsheets import CSV, guarded, write_rows
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import invalid
from bssci.web.http.replies import Reply, saved_as
from bssci.web.http.routing import route
from bssci.web.reports.decoders import device_in_path
from bssci.web.reports.facade import Views

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")


class ReadingRoutes:
    """Routes for readings."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.readings

    @route(
        "GET",
        "/api/devices/{id}/readings",
        "viewer",
        "What a device measured, each value or by steps of time; of the last day where nothing is said",
        answer=DeviceReadings,
        also=(CSV,),
    )
    async def readings(self, call: Call, query: WantedReadings) -> Reply[DeviceReadings] | Reply[bytes]:
        device = device_in_path(call.path["id"])
        until = query.to if query.to is not None else self._context.now()
        since = query.from_ if query.from_ is not None else until - DAY
        if since >= until:
            raise invalid("from", "must be before to")
        if query.every is not None and (until - since) / query.every > query.limit:
            raise invalid("every", f"gives more than {query.limit} steps: make it longer, or raise limit")
        if query.format == "json" and query.limit > MAX_JSON_LIMIT:
            raise invalid("limit", f"may be {MAX_JSON_LIMIT} at most, unless format is csv")
        names = frozenset(name.strip() for name in query.key.split(",") if name.strip())
        if len(names) > MAX_NAMES:
            raise invalid("key", f"may hold {MAX_NAMES} names")
        past = await self._views.past.read(
            device, since, until, every=query.every, names=names, most=query.limit
        )
        if query.format == "csv":
            body = await self._context.run_in_thread(write_csv, past)
            file = _NOT_IN_NAMES.sub("-", eui_of_device(device) or device)
            head = saved_as(f"readings-{file}.csv")
            return Reply(body, CSV, headers=head)
        return Reply(_told(device, since, until, query.every, past))


def write_csv(past: Past) -> bytes:
    """Write one line for each value or step, oldest first."""
    rows: list[tuple[float, list[object]]] = []
    for series in past.series:
        # Names and units may be the sender's own: a gateway's message names its values.
        name, unit = guarded(series.name), guarded(series.unit or "")
        for point in series.points:
            rows.append((point.at, [name, _cell(point.value), unit]))
        for step in series.steps:
            told = [step.mean, unit, step.least, step.most, step.count]
            rows.append((step.at, [name, *told]))
    rows.sort(key=lambda row: row[0])
    has_steps = any(series.steps for series in past.series)
    head = ["time", "name", "value", "unit", *(["least", "most", "count"] if has_steps else [])]
    return write_rows([head, *([iso_milliseconds(at), *cells] for at, cells in rows)])


def _cell(value: float | bool | str) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value) if isinstance(value, str) else value


def _told(device: str, since: float, until: float, every: float | None, past: Past) -> DeviceReadings:
    failure = past.failure
    return DeviceReadings(
        device=device,
        decoder=past.decoder,
        start=since,
        end=until,
        every=every,
        uplinks=past.uplinks,
        failures=past.failed,
        undecoded=past.without_decoder,
        last_failure=None
        if failure is None
        else ReadingFailed(code=failure.code, message=failure.message, timestamp=past.failed_at),
        complete=past.complete,
        series=[
            ReadingSeries(name=each.name, unit=each.unit, points=each.points, steps=each.steps)
            for each in past.series
        ],
    )
