"""Sensors: list, change, import and export, attach and detach, downlinks, what they sent."""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.center.downlinks.request_json import NOT_YET_REVOKED, downlink_request
from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_to_json
from bssci.settings.rows import MASK
from bssci.web.access.accounts import may
from bssci.web.api.answers import answer, outcome_of, outcomes_of
from bssci.web.api.schemas import (
    BEFORE,
    BOOLEAN,
    DRY_RUN,
    EUIS,
    FLAG,
    OUTCOMES,
    REFUSAL,
    SENSOR,
    TEXT,
    choice,
    integer,
    json_body,
    limit,
    list_of,
    object_of,
    span,
    success,
)
from bssci.web.api.schemas import (
    EUI as EUI_SCHEMA,
)
from bssci.web.api.sensor_files import read_sensors, write_csv, write_json
from bssci.web.context import Context
from bssci.web.http.call import Call, Reply, member
from bssci.web.http.errors import ApiError, invalid, not_found
from bssci.web.http.routing import Parameter, route
from bssci.web.live.event_json import downlink_dict
from bssci.web.reports.facade import Views
from bssci.web.reports.history import range_of
from bssci.web.reports.standings import SORTS, STATUSES

MAX_PER_PAGE = 500
EVERY_SORT = (*SORTS, *(f"-{sort}" for sort in SORTS))
LISTED = (
    Parameter("q", "part of EUI, name or tag", TEXT),
    Parameter("status", "state", choice(*STATUSES)),
    Parameter("sort", "by what; - in front turns it round", choice(*EVERY_SORT, default="eui")),
    Parameter("tag", "only with this tag", TEXT),
    Parameter("station", "only those that this base station hears", EUI_SCHEMA),
    Parameter("page", "from 1", integer(1, 1_000_000, 1)),
    Parameter("per_page", "rows of a page", integer(1, MAX_PER_PAGE, 50)),
)
MAX_FILE = 16 * 1024 * 1024
"""bytes of an import"""
MAX_SELECTION = 4 * 1024 * 1024
"""bytes of a selection: 100 000 EUIs in any spelling"""
MAX_NAMED = 20
"""sensors that an entry of the audit log names"""
STORED, REMOVED = "it is stored, but ", "it is removed, but "
CONFIRMATION = "CLEAR ALL"
DOWNLINK = object_of(
    data={},
    format={"type": "integer", "minimum": 0, "maximum": 255},
    prio={"type": "number"},
    responseExp=BOOLEAN,
    responsePrio=BOOLEAN,
    dlWindReq=BOOLEAN,
    expOnly=BOOLEAN,
    expires_in={"type": "number"},
)


class SensorRoutes:
    """See the module."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._center = context.center
        self._commands = context.center.commands
        self._audit = context.audit
        self._views = views.sensors

    # looking

    @route(
        "GET",
        "/api/sensors",
        "viewer",
        "Sensors, a page at a time",
        parameters=LISTED,
        answer=object_of(("sensors", "total", "matching", "pages"), sensors=list_of({"type": "object"})),
    )
    async def all(self, call: Call) -> dict[str, Any]:
        return await self._views.list(
            q=call.text("q"),
            status=call.choice("status", STATUSES),
            sort=call.choice("sort", EVERY_SORT, "eui") or "eui",
            page=call.integer("page", 1, 1, 1_000_000),
            per_page=call.integer("per_page", 50, 1, MAX_PER_PAGE),
            tag=call.text("tag"),
            station=call.optional_eui("station"),
        )

    @route(
        "GET", "/api/sensors/unknown", "viewer", "Sensors heard but not configured", parameters=(limit(100),)
    )
    async def unknown(self, call: Call) -> dict[str, Any]:
        return await self._views.unknown(call.integer("limit", 100, 1, 1000))

    @route(
        "GET",
        "/api/sensors/export",
        "viewer",
        "All sensors as a file; with keys for administrators only, which is audited",
        parameters=(
            Parameter("format", "of the file", choice("json", "csv", default="json")),
            Parameter("keys", "1: with network keys", FLAG),
        ),
        answer={"type": "array", "items": {"type": "object"}},
        also=("text/csv",),
    )
    async def export(self, call: Call) -> Reply:
        form = call.choice("format", ("json", "csv"), "json") or "json"
        with_keys = call.flag("keys")
        if with_keys:
            if not may(call.identity.role, "admin"):
                raise ApiError(403, "forbidden", "network keys are exported for the role admin only")
            await self._audit.record(
                call.asker, "sensor.export_keys", detail=f"{len(self._center.sensors)} sensors"
            )
        write = write_csv if form == "csv" else write_json
        body = await self._context.run_in_thread(write, list(self._center.sensors), with_keys)
        kind = "text/csv" if form == "csv" else "application/json"
        name = f"sensors.{form}" if with_keys else f"sensors-without-keys.{form}"
        return Reply(body, kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @route("GET", "/api/sensors/{eui}", "viewer", "Everything about one sensor; its key masked")
    async def detail(self, call: Call) -> dict[str, Any]:
        return await self._views.detail(call.eui())

    @route("GET", "/api/sensors/{eui}/uplinks", "viewer", "Stored uplinks", parameters=(limit(50), BEFORE))
    async def uplinks(self, call: Call) -> dict[str, Any]:
        return await self._views.uplinks(call.eui(), call.integer("limit", 50, 1, 1000), call.before())

    @route(
        "GET", "/api/sensors/{eui}/history", "viewer", "What happened to it", parameters=(limit(100), BEFORE)
    )
    async def history(self, call: Call) -> dict[str, Any]:
        return await self._views.history(call.eui(), call.integer("limit", 100, 1, 1000), call.before())

    @route("GET", "/api/sensors/{eui}/signal", "viewer", "SNR and RSSI over time", parameters=(span("day"),))
    async def signal(self, call: Call) -> dict[str, Any]:
        return await self._views.signal(call.eui(), range_of(call.text("range") or "day"))

    @route("GET", "/api/sensors/{eui}/downlinks", "viewer", "Its newest downlinks")
    async def downlinks(self, call: Call) -> dict[str, Any]:
        return await self._views.downlinks(call.eui())

    @route(
        "POST",
        "/api/sensors/{eui}/reveal",
        "admin",
        "Its network key, which is audited",
        answer=success(nwKey=TEXT),
    )
    async def reveal(self, call: Call) -> dict[str, Any]:
        sensor = self._views.sensor(call.eui())
        await self._audit.record(call.asker, "sensor.reveal_key", sensor.eui)
        return {"success": True, "nwKey": sensor.network_key.hex().upper()}

    # changing

    @route(
        "POST",
        "/api/sensors",
        "operator",
        "Add a sensor or change one; a masked nwKey stays as it is",
        body=json_body(SENSOR),
        answer=success(created=BOOLEAN, **OUTCOMES),
    )
    async def put(self, call: Call) -> Reply:
        sensor = self._sensor(call.json())
        before = self._center.sensors.get(sensor.eui)
        outcomes = await self._commands.configure(sensor, call.asker, again=False)
        told = outcome_of(sensor.eui, outcomes) | {"created": before is None}
        return answer(told, outcomes, STORED)

    @route(
        "DELETE",
        "/api/sensors/{eui}",
        "operator",
        "Remove a sensor",
        answer=success(**OUTCOMES),
    )
    async def remove(self, call: Call) -> Reply:
        eui = call.eui()
        outcomes = await self._commands.remove([eui], call.asker)
        return answer(outcome_of(eui, outcomes), outcomes, REMOVED)

    @route(
        "POST",
        "/api/sensors/import",
        "operator",
        "Add or change many; all or nothing, with every wrong row named",
        parameters=(DRY_RUN,),
        body={"application/json": {"type": "array", "items": SENSOR}, "text/csv": {"type": "string"}},
        max_body=MAX_FILE,
        answer=success(added={"type": "integer"}, changed={"type": "integer"}, **OUTCOMES),
    )
    async def import_(self, call: Call) -> Any:
        kind = call.content_type()
        if kind not in ("application/json", "text/csv"):
            raise ApiError(415, "unsupported_media_type", "the body must be application/json or text/csv")
        found = await self._context.run_in_thread(read_sensors, call.body(), kind, self._center.sensors.get)
        known = self._center.sensors
        different = [sensor.eui for sensor in found.sensors if known.get(sensor.eui) != sensor]
        added = sum(eui not in known for eui in different)
        changed = len(different) - added
        report = {
            "rows": found.rows,
            "valid": len(found.sensors),
            "wrong": found.wrong,
            "added": added,
            "changed": changed,
            "unchanged": len(found.sensors) - added - changed,
            "errors": found.errors,
        }
        dry_run = call.flag("dry_run")
        if dry_run:
            return {"success": True, "dry_run": True, **report}
        if found.wrong:
            first = found.errors[0]
            message = f"row {first['row']}: {first['field']} {first['message']}"
            more = f", and {found.wrong - 1} more" if found.wrong > 1 else ""
            error = {"code": "invalid", "message": message + more, "field": first["field"]}
            return Reply(msgspec.json.encode({"success": False, "error": error, **report}), status=422)
        if not found.sensors:
            raise ApiError(422, "invalid", "the file holds no sensors")
        outcomes = await self._commands.import_(found.sensors, call.asker)
        done = outcomes_of([sensor.eui for sensor in found.sensors], outcomes)
        told = {"dry_run": False, **report, "outcomes": done["outcomes"]}
        return answer(told, outcomes, "they are stored, but ")

    @route("POST", "/api/sensors/reload", "operator", "Read endpoints.json again", answer=success())
    async def reload(self, call: Call) -> dict[str, Any]:
        changes = await self._commands.reload_sensors(call.asker)
        return {"success": True, "attach": len(changes.attach), "detach": len(changes.detach)}

    @route(
        "POST",
        "/api/sensors/clear",
        "operator",
        f"Remove all sensors; a person confirms by the text {CONFIRMATION}, a token need not",
        body=json_body(object_of(confirm={"const": CONFIRMATION})),
        answer=success(**OUTCOMES),
    )
    async def clear(self, call: Call) -> Reply:
        body = call.json() if call.body() else {}
        if body.get("confirm", None if call.identity.session else CONFIRMATION) != CONFIRMATION:
            raise invalid("confirm", f"must be {CONFIRMATION}")
        euis = [sensor.eui for sensor in self._center.sensors]
        outcomes = await self._commands.clear(call.asker)
        return answer(outcomes_of(euis, outcomes), outcomes, "they are removed, but ")

    # attaching

    @route(
        "POST",
        "/api/sensors/{eui}/attach",
        "operator",
        "Attach everywhere",
        answer=success(**OUTCOMES),
        refusal=REFUSAL,
    )
    async def attach(self, call: Call) -> Reply:
        eui = call.eui()
        outcomes = await self._commands.attach([eui], call.asker)
        self._views.forget()
        return answer(outcome_of(eui, outcomes), outcomes)

    @route(
        "POST",
        "/api/sensors/{eui}/detach",
        "operator",
        "Detach everywhere; it stays configured",
        answer=success(**OUTCOMES),
        refusal=REFUSAL,
    )
    async def detach(self, call: Call) -> Reply:
        eui = call.eui()
        outcomes = await self._commands.detach([eui], call.asker)
        self._views.forget()
        return answer(outcome_of(eui, outcomes), outcomes)

    @route(
        "POST",
        "/api/sensors/attach-all",
        "operator",
        "Attach all",
        answer=success(**OUTCOMES),
        refusal=REFUSAL,
    )
    async def attach_all(self, call: Call) -> Reply:
        return await self._many(call, "attach", [sensor.eui for sensor in self._center.sensors])

    @route(
        "POST",
        "/api/sensors/detach-all",
        "operator",
        "Detach all",
        answer=success(**OUTCOMES),
        refusal=REFUSAL,
    )
    async def detach_all(self, call: Call) -> Reply:
        return await self._many(call, "detach", [sensor.eui for sensor in self._center.sensors])

    @route(
        "POST",
        "/api/sensors/bulk",
        "operator",
        "Attach, detach or delete a selection",
        body=json_body(
            object_of(("action", "sensors"), action=choice("attach", "detach", "delete"), sensors=EUIS)
        ),
        max_body=MAX_SELECTION,
        answer=success(**OUTCOMES),
        refusal=REFUSAL,
    )
    async def bulk(self, call: Call) -> Reply:
        body = call.json()
        action = member(body, "action", str)
        if action not in ("attach", "detach", "delete"):
            raise invalid("action", "must be attach, detach or delete")
        return await self._many(call, action, _euis(member(body, "sensors", list)))

    async def _many(self, call: Call, action: str, euis: list[EUI]) -> Reply:
        commands = {
            "attach": self._commands.attach,
            "detach": self._commands.detach,
            "delete": self._commands.remove,
        }
        outcomes = await commands[action](euis, call.asker)
        self._views.forget()
        done = "they are removed, but " if action == "delete" else ""
        return answer(outcomes_of(euis, outcomes), outcomes, done)

    # downlinks

    @route(
        "POST",
        "/api/sensors/{eui}/downlink",
        "operator",
        "Queue a downlink",
        body=json_body(DOWNLINK),
        answer=success(queId={"type": "integer"}),
    )
    async def queue(self, call: Call) -> dict[str, Any]:
        eui = call.eui()
        downlink = await self._commands.queue_downlink(downlink_request(eui, call.json()), call.asker)
        return {"success": True, **downlink_dict(downlink)}

    @route("DELETE", "/api/sensors/{eui}/downlink/{queId}", "operator", "Revoke a downlink", answer=success())
    async def revoke(self, call: Call) -> dict[str, Any]:
        eui, text = call.eui(), call.path["queId"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise not_found("there is no such downlink")
        downlink = await self._commands.revoke_downlink(eui, int(text), call.asker)
        told = {"success": True, **downlink_dict(downlink)}
        return told | {"message": NOT_YET_REVOKED} if downlink.state == "queued" else told

    def _sensor(self, body: dict[str, Any]) -> Sensor:
        """:raises ApiError: 422, naming the field."""
        try:
            known = self._center.sensors.get(parse_eui(str(body.get("eui"))))
        except ValueError:
            known = None
        if known is not None and body.get("nwKey") in (MASK, "", None):
            body = body | {"nwKey": known.network_key.hex()}
        if known is not None:
            # What a form does not know of is kept.
            body = sensor_to_json(known) | body
        try:
            return parse_sensor(body)
        except SensorError as error:
            raise invalid(error.field, error.message) from None


def _naming(text: str, euis: list[EUI]) -> str:
    """The text and the first of the sensors that it is about."""
    more = f" and {len(euis) - MAX_NAMED} more" if len(euis) > MAX_NAMED else ""
    return f"{text}: {', '.join(euis[:MAX_NAMED])}{more}" if euis else text


def _euis(values: list[Any]) -> list[EUI]:
    try:
        return list(dict.fromkeys(parse_eui(str(value)) for value in values))
    except ValueError as error:
        raise invalid("sensors", str(error)) from None
