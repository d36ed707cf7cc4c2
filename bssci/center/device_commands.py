"""Commands on devices other than mioty sensors, and on the scanners and controllers that forward them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.center.devices.controller_commands import ControllerAnswer
from bssci.center.devices.device import ID, PLACE, Device
from bssci.center.devices.gateway_commands import GatewayCommands
from bssci.center.devices.gateways import Gateway, Gateways
from bssci.center.devices.registry import DeviceRegistry
from bssci.center.devices.scanner_commands import ScannerAnswer
from bssci.center.recorder import Recorder, not_stored, stored
from bssci.journal import StorageError
from bssci.model.commands import Actor, CommandError
from bssci.model.device_id import eui_of_device
from bssci.model.plain_text import CONTROLS, control_fault, entered_fault, texts_of


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
        _check_entered(changes, self._devices.new(id))
        action = "device.update" if self._devices.known(id) is not None else "device.add"
        async with self._recorder.before(by, action, id, ", ".join(sorted(changes))):
            (device,) = await self._put({id: changes})
        return device

    async def import_(self, devices: Mapping[str, Mapping[str, Any]], by: Actor) -> None:
        """Register many devices, or change their entries, all or none.

        :param devices: new values by the names of the fields of :class:`Device`, by the device's id.
        :raises CommandError: ``conflict``: there are too many; ``unavailable``.
        """
        async with self._recorder.before(by, "device.import", "", f"{len(devices)} devices"):
            await self._put(devices)

    async def _put(self, devices: Mapping[str, Mapping[str, Any]]) -> list[Device]:
        """Change entries of devices, as they are now; return the devices."""
        changed = [self._devices.new(id) for id in devices]
        for device in changed:
            for name, value in devices[device.id].items():
                setattr(device, name, value)
        try:
            await self._devices.put(*changed)
        except ValueError as error:
            raise CommandError("conflict", str(error)) from error
        except StorageError as error:
            raise not_stored(error) from error
        return changed

    async def move(self, id: str, to: str, by: Actor) -> None:
        """Move the entry of a device at a controller to another pin or component.

        :param to: id of the other place: ``f2:0a1b2c3d4e5f/J1/4``.
        :raises CommandError: ``unknown_device``; ``invalid``: one of the ids is not a place at a controller;
            ``conflict``: there is an entry for the other place; ``unavailable``.
        """
        self._check_move(id, to)
        async with self._recorder.before(by, "device.move", id, f"to {to}"):
            self._check_move(id, to)  # other commands may have been faster
            await stored(self._devices.move(id, to))

    def _check_move(self, id: str, to: str) -> None:
        """Check that an entry can be moved; raises as :meth:`move`."""
        if self._devices.known(id) is None:
            raise CommandError("unknown_device", f"no device {id} is entered", "id")
        if not PLACE.fullmatch(id):
            raise CommandError("invalid", "only devices at a controller can be moved", "id")
        if not PLACE.fullmatch(to):
            raise CommandError(
                "invalid", "a place is f2:0a1b2c3d4e5f/J1/4 or f2:0a1b2c3d4e5f/J2/strike-1", "to"
            )
        if self._devices.known(to) is not None:
            raise CommandError("conflict", f"there is a device at {to} already: remove it first", "to")

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
        said = ", ".join(f"{name} {value}" for name, value in command.items())
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
        gateway = self._gateway(id)
        _check_entered(changes, gateway)
        async with self._recorder.before(by, "gateway.update", id, ", ".join(sorted(changes))):
            for name, value in changes.items():
                setattr(gateway, name, value)
            await stored(self._gateways.put(gateway))
        return gateway

    async def forget_gateway(self, id: str, by: Actor) -> None:
        """Forget a scanner or controller; if it is heard again, it is new.

        :raises CommandError: ``unknown_gateway``, ``unavailable``.
        """
        self._gateway(id)
        async with self._recorder.before(by, "gateway.remove", id):
            await stored(self._gateways.forget(id))

    def _gateway(self, id: str) -> Gateway:
        gateway = self._gateways.get(id)
        if gateway is None:
            raise CommandError("unknown_gateway", f"there is no gateway {id}", "id")
        return gateway


def _check_entered(changes: Mapping[str, Any], kept: Device | Gateway) -> None:
    """Check the texts of an entry that somebody changes; those that are kept may stay.

    :raises CommandError: ``invalid``: one has control characters.
    """
    fault = entered_fault(changes, texts_of(msgspec.structs.asdict(kept)))
    if fault is not None:
        field, message = fault
        raise CommandError("invalid", f"{field} {message}", field)
