"""Commands that show the network keys of sensors, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Sequence

from bssci.center.devices.sensors import Sensors
from bssci.center.recorder import Recorder
from bssci.model import EUI, Sensor
from bssci.model.commands import Actor, CommandError
from bssci.model.counts import many


class KeyCommands:
    """Commands that show network keys; a part of :class:`bssci.center.commands.Commands`."""

    def __init__(self, recorder: Recorder, sensors: Sensors) -> None:
        self._recorder = recorder
        self._sensors = sensors

    async def reveal(self, eui: EUI, by: Actor) -> bytes:
        """Return the network key of a sensor.

        :raises CommandError: ``unknown_sensor``; ``unavailable``: the audit entry cannot be stored, so the
            key is not shown.
        """
        sensor = self._sensors.get(eui)
        if sensor is None:
            raise CommandError("unknown_sensor", f"there is no sensor {eui}", "eui")
        async with self._recorder.before(by, "sensor.reveal_key", eui):
            return sensor.network_key

    async def export(self, sensors: Sequence[Sensor], by: Actor) -> Sequence[Sensor]:
        """Return sensors for a file that contains their keys.

        :raises CommandError: ``unavailable``: the audit entry cannot be stored, so nothing is exported.
        """
        async with self._recorder.before(by, "sensor.export_keys", "", many(len(sensors), "sensor")):
            return sensors
