"""Commands on sensors: each in its turn for a sensor, with the outcome at every base station."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.attachments.attachments import Attachments
from bssci.center.devices.endpoints import EndpointsChangedError, EndpointsError
from bssci.center.devices.sensors import Changes, Sensors
from bssci.center.downlinks.downlinks import Downlinks
from bssci.center.silence.silence import Silence
from bssci.center.turns import Turns
from bssci.center.uplinks.paths import Paths
from bssci.journal import StorageError
from bssci.model import EUI, Sensor
from bssci.model.commands import CommandError, Outcomes


class SensorCommands:
    """Part of the service center."""

    log = Logger()
    now: Callable[[], float]
    sensors: Sensors
    attachments: Attachments
    silence: Silence
    paths: Paths
    downlinks: Downlinks
    _turns: Turns

    async def attach(self, euis: Sequence[EUI]) -> Outcomes:
        """Attach sensors everywhere, whatever stations hold already.

        :return: when the connected stations have answered, or after 30 s.
        :raises CommandError: ``unknown_sensor``, nothing is attached then.
        """
        return await self._in_turn(euis, lambda: self._attach(euis))

    async def _attach(self, euis: Sequence[EUI]) -> Outcomes:
        self._check_known(euis)
        self.silence.attached(euis, self.now())
        return await self.attachments.attach(euis, at=self.now())

    async def detach(self, euis: Sequence[EUI]) -> Outcomes:
        """Detach sensors everywhere; they stay configured. See :meth:`attach`."""
        return await self._in_turn(euis, lambda: self._detach(euis))

    async def _detach(self, euis: Sequence[EUI]) -> Outcomes:
        self._check_known(euis)
        return await self.attachments.detach(euis, at=self.now())

    async def configure(self, sensors: Sequence[Sensor], *, again: bool = True) -> Outcomes:
        """Add sensors to endpoints.json, or change those that are there, and attach them everywhere.

        :param again: also those that are attached, and are to stations as they were.
        :raises CommandError: ``conflict``: somebody else changed the file, or ``unavailable``: it cannot
            be written; nothing changed. ``unavailable`` also if only what follows cannot be recorded,
            which the message says: stations are told all the same.
        """
        euis = [sensor.eui for sensor in sensors]
        return await self._in_turn(euis, lambda: self._configure(sensors, again))

    async def _configure(self, sensors: Sequence[Sensor], again: bool) -> Outcomes:
        euis = [sensor.eui for sensor in sensors]
        also = [eui for eui in euis if again or not self.attachments.is_attached(eui)]
        changes = await self._change(self.sensors.put(sensors, lambda them: self._recording(them, euis)))
        return await self._propagate(replace(changes, attach=list(dict.fromkeys([*changes.attach, *also]))))

    async def remove(self, euis: Sequence[EUI]) -> Outcomes:
        """Take sensors out of endpoints.json and detach them everywhere.

        :raises CommandError: ``unknown_sensor``, or as :meth:`configure`.
        """
        return await self._in_turn(euis, lambda: self._remove(euis))

    async def _remove(self, euis: Sequence[EUI]) -> Outcomes:
        self._check_known(euis)
        return await self._propagate(await self._change(self.sensors.remove(euis, self._recording)))

    async def reload_sensors(self) -> Changes:
        """Read endpoints.json again, all or nothing, and tell the stations what changed.

        :raises CommandError: ``invalid``: the file is wrong, nothing changed; or ``unavailable``.
        """
        changes = await self._change(self.sensors.reload(self._recording))
        self.log.info(
            "sensors reloaded {sensors} {attach} {detach}",
            sensors=len(self.sensors),
            attach=len(changes.attach),
            detach=len(changes.detach),
        )
        await self._propagate(changes)
        return changes

    def _recording(self, changes: Changes, attach: Collection[EUI] = ()) -> AbstractAsyncContextManager[None]:
        return self.attachments.recording(changes, attach=attach, at=self.now())

    async def _propagate(self, changes: Changes) -> Outcomes:
        """:raises CommandError: ``unavailable``: the stations are told, that is all."""
        self.silence.attached(changes.attach, self.now())
        self.downlinks.reconfigured([*changes.attach, *changes.detach])
        self.paths.forget(changes.detach)
        try:
            return await self.attachments.changed(changes, at=self.now())
        except StorageError as error:
            name = self.sensors.path.name
            raise CommandError(
                "unavailable",
                f"it is in {name} and base stations will be told, but not all is recorded: {error}",
            ) from error

    async def _change(self, changing: Deferred[Changes]) -> Changes:
        try:
            return await changing
        except EndpointsError as error:
            raise CommandError("invalid", str(error)) from error
        except EndpointsChangedError as error:
            self.log.warn("sensors not changed {error}", error=str(error))
            raise CommandError("conflict", str(error)) from error
        except StorageError as error:
            raise _not_stored(error) from error
        except OSError as error:
            raise CommandError("unavailable", f"{self.sensors.path}: {error.strerror}") from error

    async def _in_turn(
        self, euis: Sequence[EUI], command: Callable[[], Coroutine[Deferred[Any], Any, Outcomes]]
    ) -> Outcomes:
        """:raises CommandError: ``unavailable``: the journal cannot store."""
        try:
            return await self._turns.run(euis, command)
        except StorageError as error:
            raise _not_stored(error) from error

    def _check_known(self, euis: Sequence[EUI]) -> None:
        for eui in euis:
            if eui not in self.sensors:
                raise CommandError("unknown_sensor", f"there is no sensor {eui}", "eui")

    # what the watch over silence does, in its turn like everybody else

    async def _detach_silent(self, euis: Sequence[EUI]) -> Outcomes:
        return await self._turns.run(
            euis, lambda: self.attachments.detach(euis, reason="inactivity", at=self.now())
        )

    async def _attach_again(self, euis: Sequence[EUI]) -> Outcomes:
        return await self._turns.run(
            euis, lambda: self.attachments.attach(euis, reason="heard again", at=self.now())
        )


def _not_stored(error: StorageError) -> CommandError:
    return CommandError("unavailable", f"cannot be stored now, try again later: {error}")
