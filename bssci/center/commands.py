"""Commands of every channel: each is checked, recorded in the audit log and carried out.

Commands on one sensor are carried out one after the other. A change is recorded in the audit log before it is
made, so that no change is missing there; if it then fails, a second entry says so. A queued downlink gets its
number when it is stored, so its entry follows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.alarms.alarms import Alarms
from bssci.center.alarms.trial import AlarmTrial, WayTried
from bssci.center.attachments.attachments import Attachments
from bssci.center.audit import AuditLog
from bssci.center.device_commands import DeviceCommands
from bssci.center.devices.endpoints import EndpointsChangedError, EndpointsError
from bssci.center.devices.gateway_commands import GatewayCommands
from bssci.center.devices.gateways import Gateways
from bssci.center.devices.provisioned import ProvisionedDevices
from bssci.center.devices.registry import DeviceRegistry
from bssci.center.devices.sensors import Changes, Sensors
from bssci.center.downlinks.downlinks import DownlinkDesk
from bssci.center.key_commands import KeyCommands
from bssci.center.recorder import Recorder, naming, not_stored, stored
from bssci.center.replays import Replaying, ReplayRequest
from bssci.center.setting_commands import SettingCommands
from bssci.center.silence.silence import SilenceWatch
from bssci.center.station_commands import StationCommands
from bssci.center.station_entries import StationEntries
from bssci.center.turns import Turns
from bssci.center.uplinks.paths import Paths
from bssci.journal import AlarmRecord, Change, StorageError
from bssci.model import EUI, Downlink, DownlinkRequest, Sensor, SensorError, sensor_differences
from bssci.model.commands import Actor, CommandError, Outcomes, wrong_fields
from bssci.model.counts import grouped, many
from bssci.model.iso_times import iso_whole_seconds
from bssci.model.sensor import faults_of_entered
from bssci.model.sensor_edit import SensorEdit
from bssci.settings.configuration import Configuration
from bssci.stations.directory import Stations
from bssci.stations.variable_mac import VariableMac
from bssci.system.clock import Clock, in_slices, turn

SLICE = 2000
"""sensors that are processed in one turn of the reactor"""
_NO_SENSORS: Mapping[EUI, Sensor | None] = MappingProxyType({})

T = TypeVar("T")


class Commands:
    """All commands, for every channel by which they may come.

    Each checks its arguments, writes an entry to the audit log and does the work.

    :ivar devices: commands on devices other than mioty sensors, and on their gateways.
    :ivar stations: commands on base stations.
    :ivar keys: commands that show the network keys of sensors.
    :ivar settings: commands on settings.
    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        *,
        clock: Clock,
        audit: AuditLog,
        turns: Turns,
        sensors: Sensors,
        attachments: Attachments,
        silence: SilenceWatch,
        paths: Paths,
        downlinks: DownlinkDesk,
        alarms: Alarms,
        station_entries: StationEntries,
        devices: DeviceRegistry,
        gateways: Gateways,
        gateway_commands: GatewayCommands,
        provisioned: ProvisionedDevices,
        stations: Stations,
        variable_mac: VariableMac,
        configuration: Configuration,
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._recorder = Recorder(audit)
        self._turns = turns
        self._sensors = sensors
        self._attachments = attachments
        self._silence = silence
        self._paths = paths
        self._downlinks = downlinks
        self._alarms = alarms
        self.devices = DeviceCommands(self._recorder, devices, gateways, gateway_commands)
        self.stations = StationCommands(self._recorder, stations, station_entries, variable_mac)
        self.keys = KeyCommands(self._recorder, sensors)
        self._provisioned = provisioned
        self.settings = SettingCommands(audit, configuration)
        self._now = now

    # sensors: attaching

    async def attach(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        """Attach sensors at all base stations, even where they are attached already.

        :return: outcome by sensor and station, when the connected stations have answered, or after 30 s.
        :raises CommandError: ``unknown_sensor``: nothing is attached; ``unavailable``.
        """
        return await self._in_turn(euis, lambda: self._attach(euis, by))

    async def _attach(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        self.check_known(euis)
        async with self._recorder.before(by, "sensor.attach", *_named(euis)):
            return await self._attachments.attach(
                euis, at=self._now(), stored=lambda: self._begin_silences(euis)
            )

    async def detach(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        """Detach sensors at all base stations; they stay configured. See :meth:`attach`."""
        return await self._in_turn(euis, lambda: self._detach(euis, by))

    async def _detach(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        self.check_known(euis)
        async with self._recorder.before(by, "sensor.detach", *_named(euis)):
            return await self._attachments.detach(euis, at=self._now())

    # sensors: configuring

    async def configure(self, sensor: Sensor, by: Actor, *, again: bool = True) -> Outcomes:
        """Add a sensor to endpoints.json or change it there, and attach it at all base stations.

        :param again: attach it even if it is attached and the stations need not know of the change.
        :raises CommandError: ``invalid``: a text of it has control characters; ``conflict``: the file was
            changed by others; ``unavailable``: it cannot be written. Nothing changed then.
        """
        return await self.change_sensor(sensor.eui, lambda _: sensor, by, again=again)

    async def change_sensor(
        self, eui: EUI, make: Callable[[Sensor | None], Sensor], by: Actor, *, again: bool = True
    ) -> Outcomes:
        """Add or change a sensor by what it is when its turn comes, after earlier commands for it.

        :param make: returns the sensor to store, given the present one, or None if there is none; what it
            raises is raised here, and nothing changed then.
        :raises CommandError: as :meth:`configure`.
        """
        return await self._in_turn([eui], lambda: self._configure_one(eui, make, by, again))

    async def _configure_one(
        self, eui: EUI, make: Callable[[Sensor | None], Sensor], by: Actor, again: bool
    ) -> Outcomes:
        before = self._sensors.get(eui)
        sensor = make(before)
        if faults := faults_of_entered(sensor, before):
            raise wrong_fields(faults)
        action, detail = "sensor.add", sensor.name
        if before is not None:
            action, detail = "sensor.update", sensor_differences(before, sensor)
        async with self._changing(by, action, sensor.eui, detail):
            return await self._configure([sensor], again, {eui: before})

    async def import_(self, sensors: Sequence[Sensor], by: Actor) -> Outcomes:
        """Add or change many sensors, all or none, and attach those whose change concerns stations.

        :raises CommandError: as :meth:`configure`.
        """
        euis = [sensor.eui for sensor in sensors]
        return await self._in_turn(euis, lambda: self._import(sensors, by))

    async def _import(self, sensors: Sequence[Sensor], by: Actor) -> Outcomes:
        added, changed = await self._sensors.compare(sensors)
        text = f"{grouped(len(added))} added, {grouped(len(changed))} changed"
        async with self._changing(by, "sensor.import", "", naming(text, added + changed)):
            return await self._configure(sensors, again=False)

    async def edit(self, euis: Sequence[EUI], edit: SensorEdit, by: Actor, *, dry_run: bool = False) -> int:
        """Change many sensors in the same way, all or none; return how many differ from before.

        No sensor is attached by it: what may be edited does not concern base stations.

        :param dry_run: only return how many would differ.
        :raises CommandError: ``unknown_sensor``; ``invalid``: a sensor would have too many tags; or as
            :meth:`configure`.
        """
        if dry_run:
            return len(await self._edited(euis, edit))
        return await self._in_turn(euis, lambda: self._edit(euis, edit, by))

    async def _edit(self, euis: Sequence[EUI], edit: SensorEdit, by: Actor) -> int:
        before = {eui: self._sensors.get(eui) for eui in euis}
        sensors = await self._edited(euis, edit)
        changed = [sensor.eui for sensor in sensors]
        target, named = _named(changed)
        if changed:
            async with self._changing(by, "sensor.edit", target, f"{edit}; {named}" if named else str(edit)):
                around = partial(self._recording, built_on=before)
                await self._change(self._sensors.put(sensors, around))
        return len(changed)

    async def _edited(self, euis: Sequence[EUI], edit: SensorEdit) -> list[Sensor]:
        """Return the sensors that an edit changes, as it leaves them; raises as :meth:`edit`."""
        self.check_known(euis)
        edited: list[Sensor] = []
        async for few in in_slices(self._clock, euis, SLICE):
            for sensor in filter(None, map(self._sensors.get, few)):
                try:
                    after = edit.apply(sensor)
                except SensorError as error:
                    raise CommandError("invalid", f"{error.field} {error.message}", error.field) from error
                if after is not sensor:
                    edited.append(after)
        return edited

    async def _configure(
        self, sensors: Sequence[Sensor], again: bool, built_on: Mapping[EUI, Sensor | None] = _NO_SENSORS
    ) -> Outcomes:
        euis = [sensor.eui for sensor in sensors]
        also: list[EUI] = []
        async for few in in_slices(self._clock, euis, SLICE):
            also += [eui for eui in few if again or not self._attachments.is_attached(eui)]
        around = partial(self._recording, attach=euis, built_on=built_on)
        changes = await self._change(self._sensors.put(sensors, around))
        return await self._propagate(replace(changes, attach=list(dict.fromkeys([*changes.attach, *also]))))

    async def remove(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        """Remove sensors from endpoints.json and detach them at all base stations.

        :raises CommandError: ``unknown_sensor``, or as :meth:`configure`.
        """
        action = "sensor.remove" if len(euis) == 1 else "sensor.delete"
        return await self._in_turn(euis, lambda: self._remove(euis, by, action, *_named(euis)))

    async def clear(self, by: Actor) -> Outcomes:
        """Remove all sensors, but those that were added meanwhile; see :meth:`remove`."""
        euis = self._sensors.euis()
        return await self._in_turn(euis, lambda: self._clear(euis, by))

    async def _clear(self, euis: Sequence[EUI], by: Actor) -> Outcomes:
        left: list[EUI] = []
        async for few in in_slices(self._clock, euis, SLICE):
            left += filter(self._sensors.__contains__, few)
        return await self._remove(left, by, "sensor.clear", "", naming(many(len(left), "sensor"), left))

    async def _remove(self, euis: Sequence[EUI], by: Actor, action: str, target: str, text: str) -> Outcomes:
        self.check_known(euis)
        async with self._changing(by, action, target, text):
            return await self._propagate(await self._change(self._sensors.remove(euis, self._recording)))

    async def reload_sensors(self, by: Actor) -> Changes:
        """Read endpoints.json again, all or nothing, and propagate the changes to the stations.

        :raises CommandError: ``invalid``: the file cannot be parsed, nothing changed; or ``unavailable``.
        """
        async with self._recorder.before(by, "sensor.reload"):
            changes = await self._change(self._sensors.reload(self._recording))
            self.log.info(
                "sensors reloaded {sensors} in all, {attach} to attach, {detach} to detach",
                sensors=len(self._sensors),
                attach=len(changes.attach),
                detach=len(changes.detach),
            )
            await self._propagate(changes)
            return changes

    def check_known(self, euis: Sequence[EUI]) -> None:
        """Check that sensors are configured.

        :raises CommandError: ``unknown_sensor``: one is not configured.
        """
        eui = self._sensors.unknown(euis)
        if eui is not None:
            raise CommandError("unknown_sensor", f"there is no sensor {eui}", "eui")

    # downlinks

    async def queue_downlink(
        self, request: DownlinkRequest, by: Actor, beside: Callable[[int], Change] | None = None
    ) -> Downlink:
        """Queue a downlink; see :meth:`bssci.center.downlinks.downlinks.DownlinkDesk.queue`.

        :param beside: returns a further change for the same commit, called with the queue id.
        """
        queue_id = self._downlinks.new_queue_id(request)
        async with self._recorder.before(by, "downlink.queue", request.end_point_eui, f"queId {queue_id}"):
            changes = [] if beside is None else [beside(queue_id)]
            return await self._downlinks.queue(request, queue_id, changes)

    async def revoke_downlink(self, eui: EUI, queue_id: int, by: Actor) -> Downlink:
        """Revoke a downlink; see :meth:`bssci.center.downlinks.downlinks.DownlinkDesk.revoke`."""
        async with self._recorder.before(by, "downlink.revoke", eui, f"queId {queue_id}"):
            return await self._downlinks.revoke(eui, queue_id)

    async def query_reception(self, eui: EUI, by: Actor) -> EUI:
        """Query how well a sensor receives downlinks (§5.16); return the station that will ask it.

        :raises CommandError: no station can ask it, or the station refuses or does not answer.
        """
        self.log.info("reception query for a sensor {eui} {who}", eui=eui, who=by.name)
        return await self._downlinks.query_reception(eui)

    # devices whose certificates the service issues

    async def provision(self, device: str, by: Actor, *, serial_number: str = "", force: bool = False) -> str:
        """Create key, certificate and configuration of a device; return its name.

        :param force: do so even if the device is registered, whose certificate is then revoked.
        :raises CommandError: as :meth:`bssci.center.devices.provisioned.ProvisionedDevices.add`.
        """
        made_anew = "made anew" if force else ""
        async with self._provisioning(by, "add", device, made_anew):
            return await self._provisioned.add(device, serial_number, force=force)

    async def renew_provisioned(self, device: str, by: Actor) -> str:
        """Create a new key and certificate for a device, and revoke the old one; return its name."""
        async with self._provisioning(by, "renew", device):
            return await self._provisioned.renew(device)

    async def revoke_provisioned(self, device: str, by: Actor) -> str:
        """Revoke a device's certificate, so that the broker refuses it; return its name."""
        async with self._provisioning(by, "revoke", device):
            return await self._provisioned.revoke(device)

    async def take_bundle(self, device: str, by: Actor) -> bytes:
        """Return key, certificate and configuration of a device as an archive; possible only once."""
        async with self._recorder.before(by, "provisioned.bundle", device):
            return await self._provisioned.take_bundle(device)

    def _provisioning(
        self, by: Actor, action: str, device: str, detail: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """Write the entry of a change of the registry of devices, if there is room on the disk for both."""
        room = self._provisioned.room
        return self._recorder.before(by, f"provisioned.{action}", device, detail, hold_room=room)

    # alarms

    async def acknowledge_alarm(self, alarm_id: str, by: Actor) -> AlarmRecord:
        """Acknowledge an alarm; it stays open until its condition is over.

        :raises CommandError: ``unknown_alarm``, ``unavailable``.
        """
        async with self._recorder.before(by, "alarm.acknowledge", alarm_id):
            return await stored(self._alarms.acknowledge(alarm_id, by.name))

    async def test_alarms(self, trial: AlarmTrial, by: Actor) -> list[WayTried]:
        """Send a test alarm through every channel and sink; return the results.

        :raises CommandError: ``busy``: another test has not ended yet; ``unavailable``.
        """
        async with self._recorder.before(by, "alarm.test"):
            return await stored(trial.run(by.name))

    # replays

    async def begin_replay(self, replays: Replaying, request: ReplayRequest, by: Actor) -> dict[str, Any]:
        """Deliver stored messages again to a sink; see :meth:`bssci.center.replays.Replaying.begin`."""
        span = f"{iso_whole_seconds(request.from_at)} to {iso_whole_seconds(request.to_at)}"
        devices = f", {many(len(request.devices), 'device')}" if request.devices else ""
        async with self._recorder.before(by, "replay.begin", request.sink, span + devices):
            return await stored(replays.begin(request, by.name))

    async def cancel_replay(self, replays: Replaying, number: int, by: Actor) -> dict[str, Any]:
        """End a replay early; see :meth:`bssci.center.replays.Replaying.cancel`."""
        async with self._recorder.before(by, "replay.cancel", str(number)):
            return await stored(replays.cancel(number))

    # what commands on sensors have in common

    def _recording(
        self,
        changes: Changes,
        attach: Collection[EUI] = (),
        built_on: Mapping[EUI, Sensor | None] = _NO_SENSORS,
    ) -> AbstractAsyncContextManager[None]:
        """Return the context of a change, see :meth:`.Attachments.recording`.

        :param built_on: sensors as they were when the change was made.
        :raises CommandError: ``conflict``: one is not so any more, as the file was read again since.
        """
        for eui, before in built_on.items():
            if (present := self._sensors.get(eui)) is not before and present != before:
                raise CommandError(
                    "conflict", f"{eui} was changed meanwhile: look at it and try again", "eui"
                )
        return self._attachments.recording(changes, attach=attach, at=self._now())

    async def _begin_silences(self, euis: Sequence[EUI]) -> None:
        """Restart the silence detection of sensors that are being attached."""
        async for few in in_slices(self._clock, euis, SLICE):
            self._silence.attached(few, self._now())

    async def _propagate(self, changes: Changes) -> Outcomes:
        """Propagate changed sensors to the stations."""
        await self._begin_silences(changes.attach)
        if len(changes.detach) > SLICE:
            await turn(self._clock)
        async for few in in_slices(self._clock, [*changes.attach, *changes.detach], SLICE):
            self._downlinks.reconfigured(few)
        async for gone in in_slices(self._clock, changes.detach, SLICE):
            self._paths.forget(eui for eui in gone if eui not in self._sensors)
        return await self._attachments.changed(changes, at=self._now())

    @asynccontextmanager
    async def _changing(self, by: Actor, action: str, target: str, detail: str) -> AsyncIterator[None]:
        """Write the entry of a change of endpoints.json, if there is room on the disk for both.

        :raises CommandError: ``unavailable``: there is not, or the change cannot be recorded.
        """
        async with self._recorder.before(
            by, action, target, detail, hold_room=lambda: self._change(self._sensors.room())
        ):
            yield

    async def _change(self, changing: Deferred[T]) -> T:
        try:
            return await changing
        except EndpointsError as error:
            raise CommandError("invalid", str(error)) from error
        except EndpointsChangedError as error:
            self.log.warn("sensors not changed {error}", error=str(error))
            raise CommandError("conflict", str(error)) from error
        except StorageError as error:
            raise not_stored(error) from error
        except OSError as error:
            raise CommandError("unavailable", f"{self._sensors.path}: {error.strerror}") from error

    async def _in_turn(
        self, euis: Sequence[EUI], command: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> T:
        """Run a command after earlier ones for the same sensors.

        :raises CommandError: ``unavailable``: the journal cannot store.
        """
        try:
            return await self._turns.run(euis, command)
        except StorageError as error:
            raise not_stored(error) from error


def _named(euis: Sequence[EUI]) -> tuple[str, str]:
    """Return target and detail of a command on sensors, for the audit log."""
    return (euis[0], "") if len(euis) == 1 else ("", naming(many(len(euis), "sensor"), euis))
