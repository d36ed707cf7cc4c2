"""Commands on base stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bssci.center.recorder import Recorder, naming, stored
from bssci.center.station_entries import StationEntries
from bssci.model import EUI
from bssci.model.base_station import StationChange
from bssci.model.commands import Actor, CommandError
from bssci.model.counts import many
from bssci.stations.directory import Stations
from bssci.stations.variable_mac import VariableMac, run_variable_mac


class StationCommands:
    """Commands on base stations; a part of :class:`bssci.center.commands.Commands`."""

    def __init__(
        self,
        recorder: Recorder,
        stations: Stations,
        entries: StationEntries,
        variable_mac: VariableMac,
    ) -> None:
        self._recorder = recorder
        self._stations = stations
        self._entries = entries
        self._variable_mac = variable_mac

    async def variable_mac(self, eui: EUI, command: object, mac_type: object, by: Actor) -> dict[str, Any]:
        """Activate or deactivate another MAC at a base station, or query which MACs it receives.

        :param command: ``activate``, ``deactivate`` or ``status``.
        :param mac_type: 0..2**32-1; ignored for ``status``.
        :return: ``macTypes`` for ``status``, else an empty object.
        :raises CommandError: a parameter is invalid, or the station is unknown, away, refuses or is silent.
        """
        station = self._stations.get(eui)
        if station is None:
            raise CommandError("unknown_station", f"there is no base station {eui}", "eui")
        if command not in ("activate", "deactivate"):
            return await run_variable_mac(self._variable_mac, station, command, mac_type)
        async with self._recorder.before(by, f"station.vm_{command}", eui, f"macType {mac_type}"[:40]):
            return await run_variable_mac(self._variable_mac, station, command, mac_type)

    async def change(
        self, change: StationChange, by: Actor, *, is_new: bool = False, only_new: bool = False
    ) -> None:
        """Change the entry of a base station; one that becomes blocked is disconnected at once.

        :param is_new: register the station if it is unknown.
        :param only_new: refuse one that is known.
        :raises CommandError: ``unknown_station``, ``conflict`` or ``unavailable``; nothing changed.
        """
        entries = self._entries
        if not is_new and not entries.is_known(change.eui):
            raise CommandError("unknown_station", f"there is no base station {change.eui}", "eui")
        if only_new and entries.is_known(change.eui):
            raise CommandError("conflict", f"{change.eui} is there already: edit it on its page", "eui")
        said = entries.differences(change)
        async with self._recorder.before(by, entries.action_of(change), change.eui, said):
            await stored(entries.change([change], by.name))

    def would_change(self, change: StationChange) -> bool:
        """Return whether a change would leave another entry than there is."""
        return self._entries.would_change(change)

    async def import_(self, changes: Sequence[StationChange], by: Actor) -> None:
        """Register or change many base stations, all or none.

        :raises CommandError: as :meth:`change`.
        """
        euis = [change.eui for change in changes]
        async with self._recorder.before(
            by, "station.import", "", naming(many(len(euis), "base station"), euis)
        ):
            await stored(self._entries.change(changes, by.name))

    async def forget(self, eui: EUI, by: Actor) -> None:
        """Forget a base station, its entry and its last certificate. It may connect again as a new one.

        :raises CommandError: ``unknown_station``, ``conflict``: it is blocked, or ``unavailable``.
        """
        self._entries.check_forget(eui)
        async with self._recorder.before(by, "station.forget", eui):
            await stored(self._entries.forget(eui))
