"""Devices of every kind, and the gateways that hear them."""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.model.device_id import eui_of_device
from bssci.web.api.schemas.common import told
from bssci.web.api.schemas.devices import (
    DeviceChanges,
    DeviceDetail,
    DeviceList,
    DeviceMove,
    GatewayChanges,
    GatewayDetail,
    GatewayList,
    ScannerAnswered,
    ScannerCommand,
    WantedDevices,
)
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError
from bssci.web.http.replies import Done
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views

MAX_BLOCKLIST = 512 * 1024
"""bytes of a command to a scanner"""
MAX_PARAMETERS = 8 * 1024
"""bytes of a decoder's parameters, as JSON"""


class DeviceRoutes:
    """Routes for devices and gateways."""

    def __init__(self, context: Context, views: Views) -> None:
        self._views = views.devices
        self._commands = context.center.commands

    @route("GET", "/api/devices", "viewer", "Devices of every kind, last heard first")
    async def all(self, call: Call, query: WantedDevices) -> DeviceList:
        listed = self._views.list(
            kind=query.kind, q=query.q, state=query.state or "", page=query.page, per_page=query.per_page
        )
        return told(DeviceList, listed)

    @route("GET", "/api/devices/{id}", "viewer", "One device and the gateways that hear it")
    async def detail(self, call: Call) -> DeviceDetail:
        return told(DeviceDetail, self._views.detail(call.path["id"]))

    @route(
        "PATCH",
        "/api/devices/{id}",
        "operator",
        "Enter a device that is no mioty sensor, or change what is entered of it",
    )
    async def change(self, call: Call, body: DeviceChanges) -> DeviceDetail:
        id = _no_sensor(call.path["id"])
        changes = _changes(body)
        if len(msgspec.json.encode(changes.get("parameters", {}))) > MAX_PARAMETERS:
            raise ApiError(422, "invalid", f"parameters may have {MAX_PARAMETERS} bytes", "parameters")
        await self._commands.devices.change(id, changes, call.actor)
        return told(DeviceDetail, self._views.detail(id))

    @route(
        "POST",
        "/api/devices/{id}/move",
        "operator",
        "Put a device at another pin or component of a controller; what came from each place stays there",
    )
    async def move(self, call: Call, body: DeviceMove) -> DeviceDetail:
        await self._commands.devices.move(call.path["id"], body.to, call.actor)
        return told(DeviceDetail, self._views.detail(body.to))

    @route("DELETE", "/api/devices/{id}", "operator", "Forget a device; if it is heard again, it is unknown")
    async def forget(self, call: Call) -> Done:
        await self._commands.devices.forget(_no_sensor(call.path["id"]), call.actor)
        return Done()

    @route("GET", "/api/gateways", "viewer", "Scanners and controllers with their states")
    async def gateways(self, call: Call) -> GatewayList:
        return told(GatewayList, self._views.gateways())

    @route("GET", "/api/gateways/{id}", "viewer", "One scanner or controller: scanner:roof, and so on")
    async def gateway(self, call: Call) -> GatewayDetail:
        return told(GatewayDetail, self._views.gateway(call.path["id"]))

    @route("PATCH", "/api/gateways/{id}", "operator", "Change the entry of a scanner or controller")
    async def change_gateway(self, call: Call, body: GatewayChanges) -> GatewayDetail:
        id = call.path["id"]
        await self._commands.devices.change_gateway(id, _changes(body), call.actor)
        return told(GatewayDetail, self._views.gateway(id))

    @route(
        "POST",
        "/api/gateways/{id}/command",
        "operator",
        "Have a scanner pause, resume, read its configuration again or change its block list; answers when it"
        " reports itself, or after 10 s",
        max_body=MAX_BLOCKLIST,
    )
    async def command_gateway(self, call: Call, body: ScannerCommand) -> ScannerAnswered:
        parameters = msgspec.to_builtins(body.parameters)
        if bool(parameters) != (body.command == "update_blocklist"):
            allowed = "devices, or add and remove, belong to update_blocklist"
            raise ApiError(422, "invalid", allowed, "parameters")
        answer = await self._commands.devices.command_scanner(
            call.path["id"], body.command, parameters, call.actor
        )
        return ScannerAnswered(
            topic=answer.topic,
            answered=answer.answered,
            report=None if answer.report is None else dict(answer.report),
        )

    @route("DELETE", "/api/gateways/{id}", "operator", "Forget a gateway; if it is heard again, it is new")
    async def forget_gateway(self, call: Call) -> Done:
        await self._commands.devices.forget_gateway(call.path["id"], call.actor)
        return Done()


def _no_sensor(id: str) -> str:
    """Return the id of a device that is not a mioty sensor.

    :raises ApiError: 409: it is a mioty sensor, which has routes of its own.
    """
    if eui_of_device(id) is not None:
        raise ApiError(409, "conflict", "a mioty sensor is changed by /api/sensors", "id")
    return id


def _changes(body: msgspec.Struct) -> dict[str, Any]:
    """Return the changes of a request in stored form."""
    given = msgspec.structs.asdict(body)
    changes = {
        name: msgspec.to_builtins(value) for name, value in given.items() if value is not msgspec.UNSET
    }
    if changes.get("location", {}) is None:
        changes["location"] = {}
    return changes
