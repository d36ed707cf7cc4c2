"""Reloading of settings, certificates and sensors, at a signal or when a file has changed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from twisted.internet.defer import ensureDeferred, maybeDeferred
from twisted.logger import Logger

from bssci.center.commands import Commands
from bssci.center.devices.sensors import Sensors
from bssci.model.commands import Actor, CommandError
from bssci.system import logs
from bssci.system.clock import Clock, Timer

RETRY_AFTER = 30.0
"""seconds after which sensors are read again that could not be stored, as the journal was full"""
BY_HAND = Actor("file", "changed by hand")
BY_SIGNAL = Actor("SIGHUP", "signal")


class Reloadable(Protocol):
    """Certificates that can be read again."""

    def reload(self) -> Any: ...


class Reloads:
    """Reloads files; where one cannot be read, the present values stay in force.

    Sensors that cannot be stored are read again until they can, or the file is as it was before.

    :param certificates: returns what reloads certificates.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        commands: Commands,
        sensors: Sensors,
        certificates: Callable[[], Iterable[Reloadable]],
    ) -> None:
        self._clock = clock
        self._commands = commands
        self._sensors = sensors
        self._certificates = certificates
        self._retry: Timer | None = None
        self._is_stopped = False

    def on_signal(self, done: Callable[[], object]) -> None:
        """Reload everything, reopen the log, then call ``done``."""
        self._begin(self._everything(done))

    def settings_changed(self) -> None:
        """Reload the settings after a change of ``.env``."""
        self._begin(self._settings(BY_HAND))

    def sensors_changed(self) -> None:
        """Reload the sensors after a change of endpoints.json, unless the service itself made it."""
        self._begin(self._changed_sensors())

    def stop(self) -> None:
        """Read nothing again from now on."""
        self._is_stopped = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()

    async def _everything(self, done: Callable[[], object]) -> None:
        try:
            logs.reopen()
            await self._settings(BY_SIGNAL)
            for each in self._certificates():
                await maybeDeferred(each.reload).addErrback(
                    lambda failure: self.log.failure("certificates not reloaded", failure)
                )
            await self._read_sensors(BY_SIGNAL)
        finally:
            done()

    async def _settings(self, by: Actor) -> None:
        try:
            await self._commands.settings.reload(by)
        except CommandError as error:
            self.log.error("settings not reloaded {error}", error=str(error))

    async def _changed_sensors(self) -> None:
        if await self._sensors.is_changed():
            await self._read_sensors(BY_HAND)

    async def _read_sensors(self, by: Actor) -> None:
        try:
            await self._commands.reload_sensors(by)
        except CommandError as error:
            self.log.error("sensors not reloaded {error}", error=str(error))
            if error.code == "unavailable":
                self._sensors.not_stored(f"{self._sensors.path}: {error}")
                is_waiting = self._retry is not None and self._retry.active()
                if not is_waiting and not self._is_stopped:
                    self._retry = self._clock.callLater(RETRY_AFTER, self.sensors_changed)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        ensureDeferred(work).addErrback(lambda failure: self.log.failure("reload failed", failure))
