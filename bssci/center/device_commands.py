"""Commands on devices other than mioty sensors, and on the scanners and controllers that forward them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.center.devices.completing import unmasked_values
from bssci.center.devices.controller_commands import ControllerAnswer
from bssci.center.devices.device import ID, Device
from bssci.center.devices.gateway_commands import GatewayCommands
from bssci.center.devices.gateways import Gateway, Gateways
from bssci.center.devices.registry import DeviceRegistry
from bssci.center.devices.scanner_commands import ScannerAnswer
from bssci.center.recorder import Recorder, stored
from bssci.model.commands import Actor, CommandError, wrong_fields
from bssci.model.counts import many
from bssci.model.device_id import eui_of_device
from bssci.model.differences import differences, value_text
from bssci.model.place import place_fault
from bssci.model.plain_text import CONTROLS, control_fault, entered_faults, texts_of
from bssci.settings.rows import MASK

SECRET = "parameters"
"""field of a device whose value may hold keys"""


class DeviceCommands:
    """A part of :class:`bssci.center.commands.Commands`."""

    def __init__(
        self,
        recorder: Recorder,
        devices: DeviceRegistry,
        gateways: Gateways,
        gateway_commands: GatewayCommands,
    ) -> None:
        self._recorder = recorder
        self._devices = devices
        self._gateways = gateways
        self._controllers = gateway_commands.controllers
        self._scanners = gateway_commands.scanners

    async def change(self, id: str, changes: Mapping[str, Any], by: Actor) -> Device:
        """Register a device, or change its entry.

        :param changes: new values by the names of the fields of :class:`Device`.
        :raises CommandError: ``invalid``: not the id of such a device, or a text with control characters;
            ``conflict``: there are too many; ``unavailable``.
        """
        if not ID.fullmatch(id) or eui_of_device(id) is not None:
            raise CommandError(
                "invalid", "an id begins with its kind, as in ble:AA:BB:CC:DD:EE:FF, and has no spaces", "id"
            )
        if self._devices.get(id) is None and control_fault(id):
            raise CommandError("invalid", f"id {CONTROLS}", "id")
        changes = _unmasked(changes, self._devices.new(id))
        _check_entered(changes, self._devices.new(id))
        action = "device.update" if self._devices.known(id) is not None else "device.add"
        said = _told(self._devices.new(id), changes)
        async with self._recorder.before(by, action, id, said):
            (device,) = await stored(self._devices.change({id: changes}))
        return device

    async def import_(self, devices: Mapping[str, Mapping[str, Any]], by: Actor) -> None:
        """Register many devices, or change their entries, all or none.

        :param devices: new values by the names of the fields of :class:`Device`, by the device's id.
        :raises CommandError: ``conflict``: there are too many; ``unavailable``.
        """
        async with self._recorder.before(by, "device.import", "", many(len(devices), "device")):
            await stored(self._devices.change(devices))

    async def move(self, id: str, to: str, by: Actor) -> None:
        """Move the entry of a device at a controller to another pin or component.

        :param to: id of the other place: ``f2:0a1b2c3d4e5f/J1/4``.
        :raises CommandError: ``unknown_device``; ``invalid``: one of the ids is not a place at a controller;
            ``conflict``: there is an entry for the other place; ``unavailable``.
        """
        self._devices.check_move(id, to)
        async with self._recorder.before(by, "device.move", id, f"to {to}"):
            await stored(self._devices.move(id, to))

    async def forget(self, id: str, by: Actor) -> None:
        """Remove a device; if it is heard again, it counts as unknown.

        :raises CommandError: ``unknown_device``, ``unavailable``.
        """
        if self._devices.get(id) is None:
            raise CommandError("unknown_device", f"there is no device {id}", "id")
        async with self._recorder.before(by, "device.remove", id):
            await stored(self._devices.forget(id))

    async def command(self, id: str, command: Mapping[str, Any], by: Actor) -> ControllerAnswer:
        """Send a command to a controller's strike or siren.

        :param command: the message in the controller's own form.
        :raises CommandError: see :meth:`bssci.center.devices.controller_commands.ControllerCommands.send`.
        """
        self._controllers.topic_of(id)
        said = value_text(command)
        async with self._recorder.before(by, "device.command", id, said):
            return await self._controllers.send(id, command)

    async def command_scanner(
        self, id: str, command: str, parameters: Mapping[str, Any], by: Actor
    ) -> ScannerAnswer:
        """Send a command to a scanner.

        :raises CommandError: see :meth:`bssci.center.devices.scanner_commands.ScannerCommands.send`.
        """
        self._scanners.topic_of(id)
        more = ", ".join(f"{name} {len(entries)}" for name, entries in parameters.items())
        async with self._recorder.before(by, "gateway.command", id, f"{command} {more}".strip()):
            return await self._scanners.send(id, command, parameters)

    async def change_gateway(self, id: str, changes: Mapping[str, Any], by: Actor) -> Gateway:
        """Change the entry of a scanner or controller.

        :param changes: new values by the names of the fields of :class:`Gateway`.
        :raises CommandError: ``unknown_gateway``; ``invalid``: a text with control characters;
            ``unavailable``.
        """
        gateway = self._gateways.known(id)
        _check_entered(changes, gateway)
        said = _told(gateway, changes)
        async with self._recorder.before(by, "gateway.update", id, said):
            return await stored(self._gateways.change(id, changes))

    async def forget_gateway(self, id: str, by: Actor) -> None:
        """Forget a scanner or controller; if it is heard again, it is new.

        :raises CommandError: ``unknown_gateway``, ``unavailable``.
        """
        self._gateways.known(id)
        async with self._recorder.before(by, "gateway.remove", id):
            await stored(self._gateways.forget(id))


def _unmasked(changes: Mapping[str, Any], kept: Device) -> Mapping[str, Any]:
    """Return changes whose masked parameters are those that the device has."""
    if SECRET not in changes:
        return changes
    return {**changes, SECRET: unmasked_values(changes[SECRET], kept.parameters)}


def _told(kept: Device | Gateway, changes: Mapping[str, Any]) -> str:
    """Return what changes of an entry change, for the audit log."""
    before = {field: getattr(kept, field) for field in sorted(changes)}
    return differences(before, changes, changes.keys() - {SECRET})


def _check_entered(changes: Mapping[str, Any], kept: Device | Gateway) -> None:
    """Check texts and place of an entry that somebody changes; those that are kept may stay.

    :raises CommandError: ``invalid``: a text has control characters, the place one coordinate without the
        other, or parameters a number that cannot be kept.
    """
    faults = entered_faults(changes, texts_of(msgspec.structs.asdict(kept)))
    if alone := place_fault(changes.get("location"), kept.location):
        faults.setdefault("location", alone)
    try:
        json.dumps(changes.get(SECRET), allow_nan=False)
        msgspec.msgpack.encode(changes.get(SECRET))
    except (ValueError, OverflowError):
        faults[SECRET] = "must be JSON with finite numbers, whole ones from -2^63 to 2^64 - 1"
    if MASK in (changes.get(SECRET) or {}).values():
        faults[SECRET] = "has a masked value that is not known yet: give it as it is"
    if faults:
        raise wrong_fields(faults)
