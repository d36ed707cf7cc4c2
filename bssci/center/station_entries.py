"""Changes of the entries about base stations, and their effect on connected ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from twisted.internet.defer import DeferredLock

from bssci.journal import StationEntry
from bssci.model import EUI
from bssci.model.base_station import StationChange
from bssci.model.commands import CommandError
from bssci.model.differences import differences
from bssci.stations.directory import Stations
from bssci.stations.entries import Entries
from bssci.stations.refusals import Refusals
from bssci.stations.registry import MAX_STATIONS, Registry


class StationEntries:
    """Changes entries about base stations.

    :param now: returns Unix seconds.
    """

    def __init__(
        self,
        entries: Entries,
        stations: Stations,
        registry: Registry,
        refusals: Refusals,
        now: Callable[[], float],
    ) -> None:
        self._entries = entries
        self._stations = stations
        self._registry = registry
        self._refusals = refusals
        self._now = now
        self._lock = DeferredLock()

    def is_known(self, eui: EUI) -> bool:
        """Return whether a station has an entry or has ever connected."""
        return eui in self._entries or self._stations.get(eui) is not None

    def is_blocked(self, eui: EUI) -> bool:
        return self._entries.is_blocked(eui)

    def action_of(self, change: StationChange) -> str:
        """Return the name of a change in the audit log."""
        if change.blocked is not msgspec.UNSET and change.blocked != self.is_blocked(change.eui):
            return "station.block" if change.blocked else "station.unblock"
        return "station.update" if self.is_known(change.eui) else "station.register"

    def differences(self, change: StationChange) -> str:
        """Return what a change would change, with the values before and after."""
        before, after = (
            {name: getattr(entry, name) for name in change.fields if name != "blocked"}
            for entry in (self._entry(change.eui), self._changed(change, ""))
        )
        if change.blocked is not msgspec.UNSET:
            before["blocked"], after["blocked"] = self.is_blocked(change.eui), change.blocked
        return differences(before, after, change.fields)

    def would_change(self, change: StationChange) -> bool:
        """Return whether a change would leave another entry than there is."""
        return self._changed(change, "") != self._entries.get(change.eui)

    async def change(self, changes: Sequence[StationChange], who: str) -> None:
        """Store changes, all or none, then apply them: blocked stations are disconnected.

        Changes are made one after the other, each of what the one before it has left.

        :param who: name of the actor.
        :raises CommandError: ``conflict``: there would be too many entries.
        :raises bssci.journal.StorageError: they cannot be stored; nothing changed.
        """
        async with self._lock:
            await self._change(changes, who)

    async def _change(self, changes: Sequence[StationChange], who: str) -> None:
        new = {change.eui for change in changes if change.eui not in self._entries}
        if len(self._entries) + len(new) > MAX_STATIONS:
            raise CommandError("conflict", f"at most {MAX_STATIONS} base stations can be registered")
        unblocked = [
            change.eui for change in changes if change.blocked is False and self.is_blocked(change.eui)
        ]
        await self._entries.put([self._changed(change, who) for change in changes])
        self._registry.entered([change.eui for change in changes])
        for eui in unblocked:
            self._refusals.forget(eui)

    def check_forget(self, eui: EUI) -> None:
        """Check that a station can be forgotten; raises as :meth:`forget`."""
        if not self.is_known(eui):
            raise CommandError("unknown_station", f"there is no base station {eui}", "eui")
        if self.is_blocked(eui):
            raise CommandError(
                "conflict",
                f"{eui} is blocked, and once forgotten it could connect again; unblock it first",
                "eui",
            )

    async def forget(self, eui: EUI) -> None:
        """Forget a station, its entry and the record of its refusals. It may connect again as a new one.

        :raises CommandError: ``unknown_station``, or ``conflict``: it is blocked.
        :raises bssci.journal.StorageError: that cannot be stored; nothing changed.
        """
        async with self._lock:
            self.check_forget(eui)
            await self._registry.forget(eui)
            self._refusals.forget(eui)

    def _entry(self, eui: EUI) -> StationEntry:
        """Return the entry of a station; a new one if it has none."""
        return self._entries.get(eui) or StationEntry(base_station_eui=eui, entered_at=self._now())

    def _changed(self, change: StationChange, who: str) -> StationEntry:
        now = self._now()
        entry = self._entry(change.eui)
        values: dict[str, Any] = {name: getattr(change, name) for name in change.fields if name != "blocked"}
        if change.blocked is True and entry.blocked_at is None:
            values |= {"blocked_at": now, "blocked_by": who}
        elif change.blocked is False:
            values |= {"blocked_at": None, "blocked_by": None}
        return replace(entry, **values)
