"""Sensors: list, change, import and export, attach and detach, downlinks, what they sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.center.devices.completing import completed, unmasked
from bssci.center.downlinks.request_json import NOT_YET_REVOKED, downlink_request
from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_faults, sensor_to_json
from bssci.model.commands import CommandError
from bssci.model.sensor_edit import edit_faults, sensor_edit
from bssci.system.clock import let_go
from bssci.web.access.accounts import may
from bssci.web.api.answers import MAX_DETAILED, SLICE, answer, answer_one, outcome_of, outcomes_of
from bssci.web.api.entry_files import EntryFile
from bssci.web.api.schemas.common import (
    DryRun,
    EventPage,
    Newest50,
    Newest100,
    OfLastDay,
    OnlyNew,
    SensorOutcome,
    SensorRefused,
    SensorsOutcome,
    SensorsRefused,
    told,
)
from bssci.web.api.schemas.downlinks import DownlinkBody, DownlinkList, DownlinkTaken
from bssci.web.api.schemas.sensor_files import (
    SEPARATORS,
    ExportedSensor,
    Imported,
    Reloaded,
    WantedFile,
    WantedWrong,
    WrongEntries,
)
from bssci.web.api.schemas.sensors import (
    ConfirmationBody,
    RevealedKey,
    Selection,
    SensorChanges,
    SensorDetail,
    SensorEditBody,
    SensorEntry,
    SensorPage,
    SensorRow,
    SensorsEdited,
    SensorStored,
    UnknownList,
    WantedSensors,
    WantedUnknown,
)
from bssci.web.api.schemas.uplinks import SensorSignal, UplinkList
from bssci.web.api.sensor_files import CSV_TYPES, read_sensors, write_csv, write_json
from bssci.web.api.spreadsheets import ANY, CSV
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, from_command, invalid, invalid_fields, not_found
from bssci.web.http.outflow import Outflow, or_break_off
from bssci.web.http.replies import Reply, Streamed, saved_as
from bssci.web.http.routing import JSON, route
from bssci.web.live.event_json import downlink_dict
from bssci.web.reports.facade import Views
from bssci.web.reports.history import range_of

MAX_FILE = 16 * 1024 * 1024
"""bytes of an import"""
MAX_SELECTION = 4 * 1024 * 1024
"""bytes of a selection: 100 000 EUIs in any spelling"""
MAX_SELECTED = 100_000
STORED, DELETED = "it is stored, but ", "it is deleted, but "
CONFIRMATION = "CLEAR ALL"

_encode = msgspec.json.Encoder().encode


class SensorRoutes:
    """Routes for sensors."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._center = context.center
        self._commands = context.center.commands
        self._views = views.sensors

    # looking

    @route("GET", "/api/sensors", "viewer", "Sensors, a page at a time, or all of them")
    async def all(self, call: Call, query: WantedSensors) -> SensorPage | Streamed:
        asked = query.asked() | {"sort": query.sort}
        if query.per_page != "all":
            page = await self._views.list(**asked, page=query.page, per_page=int(query.per_page))
            return told(SensorPage, page)
        await self._stream(call, asked)
        return Streamed()

    async def _stream(self, call: Call, asked: Mapping[str, Any]) -> None:
        """Write all sensors, a slice at a time and no faster than they are read."""
        report, slices = await self._views.whole_list(**asked)
        request = call.request
        request.setHeader("Content-Type", f"{JSON}; charset=utf-8")
        if request.method == b"HEAD":
            request.finish()
            return
        outflow = Outflow(request, self._context.clock)
        with or_break_off(outflow.abort):
            await outflow.write(b'{"sensors":[')
            separator = b""
            async for rows in slices:
                if outflow.gone:
                    break
                encoded = _encode(told(list[SensorRow], rows))[1:-1]
                await outflow.write(separator + encoded if encoded else b"")
                separator = b"," if encoded else separator
            await outflow.write(b"]," + _encode(report)[1:])
        outflow.end()

    @route("GET", "/api/sensors/unknown", "viewer", "Sensors heard but not configured")
    async def unknown(self, call: Call, query: WantedUnknown) -> UnknownList:
        return told(UnknownList, await self._views.unknown(query.limit))

    @route("GET", "/api/sensors/wrong", "viewer", "Entries of endpoints.json that are not used, and why")
    async def wrong(self, call: Call, query: WantedWrong) -> WrongEntries:
        return told(WrongEntries, self._views.wrong(query.limit))

    @route(
        "GET",
        "/api/sensors/export",
        "viewer",
        "Sensors as a file, all or a selection; with keys for administrators only, which is audited",
        answer=list[ExportedSensor],
        also=(CSV,),
    )
    async def export(self, call: Call, query: WantedFile) -> Reply[bytes]:
        form, with_keys = query.format, query.keys
        if with_keys and not may(call.identity.role, "admin"):
            raise ApiError(403, "forbidden", "network keys are exported for the role admin only")
        sensors = await self._views.chosen(**query.asked())
        if with_keys:
            sensors = await self._commands.keys.export(sensors, call.actor)
        run = self._context.run_in_thread
        if form == "csv":
            body = await run(write_csv, sensors, with_keys, SEPARATORS[query.separator])
        else:
            body = await run(write_json, sensors, with_keys)
        kind = CSV if form == "csv" else JSON
        name = f"sensors.{form}" if with_keys else f"sensors-without-keys.{form}"
        return Reply(body, kind, headers=saved_as(name))

    @route("GET", "/api/sensors/{eui}", "viewer", "One sensor with all details; its key masked")
    async def detail(self, call: Call) -> SensorDetail:
        return told(SensorDetail, await self._views.detail(call.eui()))

    @route("GET", "/api/sensors/{eui}/uplinks", "viewer", "Stored uplinks")
    async def uplinks(self, call: Call, query: Newest50) -> UplinkList:
        return told(UplinkList, await self._views.uplinks(call.eui(), query.limit, query.before))

    @route("GET", "/api/sensors/{eui}/history", "viewer", "Timeline of a sensor")
    async def history(self, call: Call, query: Newest100) -> EventPage:
        return told(EventPage, await self._views.history(call.eui(), query.limit, query.before))

    @route("GET", "/api/sensors/{eui}/signal", "viewer", "SNR and RSSI over time")
    async def signal(self, call: Call, query: OfLastDay) -> SensorSignal:
        return told(SensorSignal, await self._views.signal(call.eui(), range_of(query.range)))

    @route("GET", "/api/sensors/{eui}/downlinks", "viewer", "Newest downlinks of a sensor")
    async def downlinks(self, call: Call) -> DownlinkList:
        return told(DownlinkList, await self._views.downlinks(call.eui()))

    @route("POST", "/api/sensors/{eui}/reveal", "admin", "Network key of a sensor; reading it is audited")
    async def reveal(self, call: Call) -> RevealedKey:
        sensor = self._views.sensor(call.eui())
        key = await self._commands.keys.reveal(sensor.eui, call.actor)
        return RevealedKey(nwKey=key.hex().upper())

    # changing

    @route(
        "POST",
        "/api/sensors",
        "operator",
        "Add a sensor or change one; a masked nwKey stays as it is",
        takes={JSON: SensorEntry},
    )
    async def put(self, call: Call, query: OnlyNew) -> SensorStored:
        body = call.json()
        eui = self._sensor(body).eui
        is_new = eui not in self._center.sensors

        def made(before: Sensor | None) -> Sensor:
            if query.only_new and before is not None:
                name = f" as {before.name}" if before.name else ""
                raise CommandError("conflict", f"{eui} is there already{name}: edit it on its page", "eui")
            return self._sensor(body)

        outcomes = await self._commands.change_sensor(eui, made, call.actor, again=False)
        report = outcome_of(eui, outcomes) | {"created": is_new}
        return answer_one(SensorStored, report, outcomes, STORED)

    @route(
        "PATCH",
        "/api/sensors/{eui}",
        "operator",
        "Change fields of a sensor; null takes one away, what is not named stays",
        takes={JSON: SensorChanges},
    )
    async def change(self, call: Call) -> SensorStored:
        eui, body = call.eui(), call.json()
        outcomes = await self._commands.change_sensor(
            eui, lambda _: _changed(self._views.sensor(eui), body), call.actor, again=False
        )
        report = outcome_of(eui, outcomes) | {"created": False}
        return answer_one(SensorStored, report, outcomes, STORED)

    @route("DELETE", "/api/sensors/{eui}", "operator", "Delete a sensor")
    async def remove(self, call: Call) -> SensorOutcome:
        eui = call.eui()
        outcomes = await self._commands.remove([eui], call.actor)
        return answer_one(SensorOutcome, outcome_of(eui, outcomes), outcomes, DELETED)

    @route(
        "POST",
        "/api/sensors/import",
        "operator",
        "Add or change many; all or nothing, with every wrong row named",
        takes={JSON: list[SensorEntry], CSV: str, ANY: bytes},
        max_body=MAX_FILE,
    )
    async def import_(self, call: Call, query: DryRun) -> Imported:
        kind = call.content_type()
        if kind not in (JSON, ANY, *CSV_TYPES):
            raise ApiError(415, "unsupported_media_type", f"the body must be {JSON}, {CSV} or {ANY}")
        found = await self._context.run_in_thread(read_sensors, call.body(), kind, self._center.sensors.get)
        try:
            return await self._imported(call, found, query.dry_run)
        finally:
            await let_go(self._context.clock, found.entries, SLICE)

    async def _imported(self, call: Call, found: EntryFile[Sensor], dry_run: bool) -> Imported:
        added, changed = map(len, await self._center.sensors.compare(found.entries))
        report = {
            "rows": found.rows,
            "valid": len(found.entries),
            "wrong": found.wrong,
            "added": added,
            "changed": changed,
            "unchanged": len(found.entries) - added - changed,
            "errors": found.errors,
        }
        if dry_run:
            return told(Imported, {"dry_run": True, **report})
        if found.wrong:
            first = found.errors[0]
            message = f"row {first['row']}: {first['field']} {first['message']}"
            more = f", and {found.wrong - 1} more" if found.wrong > 1 else ""
            raise ApiError(422, "invalid", message + more, first["field"], more=report)
        if not found.entries:
            raise ApiError(422, "invalid", "the file holds no sensors")
        outcomes = await self._commands.import_(found.entries, call.actor)
        euis = [sensor.eui for sensor in found.entries]
        done = await outcomes_of(self._context.clock, euis, outcomes)
        report |= {"dry_run": False, "outcomes": done["outcomes"]}
        is_one = len(outcomes) == 1
        return answer(Imported, report, done["outcomes"], "they are stored, but ", is_one=is_one)

    @route("POST", "/api/sensors/reload", "operator", "Reload endpoints.json")
    async def reload(self, call: Call) -> Reloaded:
        changes = await self._commands.reload_sensors(call.actor)
        return Reloaded(attach=len(changes.attach), detach=len(changes.detach))

    @route(
        "POST",
        "/api/sensors/clear",
        "operator",
        f"Delete all sensors; a person confirms by the text {CONFIRMATION}, a token need not",
    )
    async def clear(self, call: Call, body: ConfirmationBody) -> SensorsOutcome:
        confirmed = body.confirm
        if confirmed is None and call.identity.session is None:
            confirmed = CONFIRMATION
        if confirmed != CONFIRMATION:
            raise invalid("confirm", f"must be {CONFIRMATION}")
        euis = self._center.sensors.euis()
        outcomes = await self._commands.clear(call.actor)
        report = await outcomes_of(self._context.clock, euis, outcomes)
        is_one = len(outcomes) == 1
        return answer(SensorsOutcome, report, report["outcomes"], "they are deleted, but ", is_one=is_one)

    # attaching

    @route(
        "POST",
        "/api/sensors/{eui}/attach",
        "operator",
        "Attach everywhere",
        refusal=SensorRefused,
    )
    async def attach(self, call: Call) -> SensorOutcome:
        eui = call.eui()
        outcomes = await self._commands.attach([eui], call.actor)
        self._views.forget()
        return answer_one(SensorOutcome, outcome_of(eui, outcomes), outcomes)

    @route(
        "POST",
        "/api/sensors/{eui}/detach",
        "operator",
        "Detach everywhere; it stays configured",
        refusal=SensorRefused,
    )
    async def detach(self, call: Call) -> SensorOutcome:
        eui = call.eui()
        outcomes = await self._commands.detach([eui], call.actor)
        self._views.forget()
        return answer_one(SensorOutcome, outcome_of(eui, outcomes), outcomes)

    @route(
        "POST",
        "/api/sensors/attach-all",
        "operator",
        "Attach all",
        refusal=SensorsRefused,
    )
    async def attach_all(self, call: Call) -> SensorsOutcome:
        return await self._many(call, "attach", self._center.sensors.euis())

    @route(
        "POST",
        "/api/sensors/detach-all",
        "operator",
        "Detach all",
        refusal=SensorsRefused,
    )
    async def detach_all(self, call: Call) -> SensorsOutcome:
        return await self._many(call, "detach", self._center.sensors.euis())

    @route(
        "POST",
        "/api/sensors/bulk",
        "operator",
        "Attach, detach or delete a selection",
        max_body=MAX_SELECTION,
        refusal=SensorsRefused,
    )
    async def bulk(self, call: Call, body: Selection) -> SensorsOutcome:
        euis = await self._context.run_in_thread(_euis, body.sensors)
        try:
            return await self._many(call, body.action, euis)
        except CommandError as error:
            raise self._with_unknown(error, euis) from error

    @route(
        "PATCH",
        "/api/sensors",
        "operator",
        "Change tags, decoder and interval of a selection, all or none; nothing is attached by it",
        takes={JSON: SensorEditBody},
        max_body=MAX_SELECTION,
    )
    async def edit(self, call: Call, query: DryRun) -> SensorsEdited:
        fields = call.json()
        selected = fields.pop("sensors", None)
        faults = edit_faults(fields)
        if not isinstance(selected, list) or not 1 <= len(selected) <= MAX_SELECTED:
            faults["sensors"] = f"must be a list of 1 to {MAX_SELECTED} EUIs"
        if faults:
            raise invalid_fields(faults)
        euis = await self._context.run_in_thread(_euis, selected)
        edit = sensor_edit(fields)
        try:
            changed = await self._commands.edit(euis, edit, call.actor, dry_run=query.dry_run)
        except CommandError as error:
            raise self._with_unknown(error, euis) from error
        self._views.forget()
        return SensorsEdited(sensors=len(euis), changed=changed, dry_run=query.dry_run)

    def _with_unknown(self, error: CommandError, euis: list[EUI]) -> ApiError:
        """Return the answer to a refused command on a selection; it names sensors that are not configured."""
        if error.code != "unknown_sensor":
            return from_command(error)
        gone = [eui for eui in euis if eui not in self._center.sensors]
        return from_command(error, {"unknown": gone[:MAX_DETAILED]})

    async def _many(self, call: Call, action: str, euis: list[EUI]) -> SensorsOutcome:
        commands = {
            "attach": self._commands.attach,
            "detach": self._commands.detach,
            "delete": self._commands.remove,
        }
        outcomes = await commands[action](euis, call.actor)
        self._views.forget()
        done = "they are deleted, but " if action == "delete" else ""
        report = await outcomes_of(self._context.clock, euis, outcomes)
        return answer(SensorsOutcome, report, report["outcomes"], done, is_one=len(outcomes) == 1)

    # downlinks

    @route(
        "POST",
        "/api/sensors/{eui}/downlink",
        "operator",
        "Queue a downlink",
        takes={JSON: DownlinkBody},
    )
    async def queue(self, call: Call) -> DownlinkTaken:
        eui = call.eui()
        downlink = await self._commands.queue_downlink(downlink_request(eui, call.json()), call.actor)
        return told(DownlinkTaken, downlink_dict(downlink))

    @route("DELETE", "/api/sensors/{eui}/downlink/{queId}", "operator", "Revoke a downlink")
    async def revoke(self, call: Call) -> DownlinkTaken:
        eui, text = call.eui(), call.path["queId"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise not_found("there is no such downlink")
        downlink = await self._commands.revoke_downlink(eui, int(text), call.actor)
        taken = told(DownlinkTaken, downlink_dict(downlink))
        if downlink.state == "queued":
            taken.message = NOT_YET_REVOKED
        return taken

    def _sensor(self, body: dict[str, Any]) -> Sensor:
        """Return the sensor that a body describes: what it does not name stays as it is.

        :raises ApiError: 422, naming every field that is wrong.
        """
        try:
            known = self._center.sensors.get(parse_eui(str(body.get("eui"))))
        except ValueError:
            known = None
        return _read(body if known is None else completed(body, known))


def _changed(known: Sensor, body: dict[str, Any]) -> Sensor:
    """Return a sensor with the fields of a body; null removes a field.

    :raises ApiError: 422, naming every field that is wrong.
    """
    entry = sensor_to_json(known) | unmasked(body, known)
    sensor = _read({name: value for name, value in entry.items() if value is not None})
    if sensor.eui != known.eui:
        raise invalid("eui", f"must be {known.eui}, or not be there")
    return sensor


def _read(entry: dict[str, Any]) -> Sensor:
    """Return the sensor of an entry.

    :raises ApiError: 422, naming every field that is wrong.
    """
    try:
        return parse_sensor(entry)
    except SensorError:
        raise invalid_fields(sensor_faults(entry)) from None


def _euis(values: list[Any]) -> list[EUI]:
    try:
        return list(dict.fromkeys(parse_eui(str(value)) for value in values))
    except ValueError as error:
        raise invalid("sensors", str(error)) from None
