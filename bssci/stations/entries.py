"""Entries about base stations that people made: registered ahead, name, place, blocked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twisted.internet.defer import Deferred

from bssci.journal import Change, Journal, Loaded, StationEntry
from bssci.model import EUI


class Entries:
    """The entries by station, in memory and in the journal."""

    def __init__(self, journal: Journal, loaded: Loaded) -> None:
        self._journal = journal
        self._by_eui = dict(loaded.station_entries)

    def __contains__(self, eui: object) -> bool:
        return eui in self._by_eui

    def __iter__(self) -> Iterator[StationEntry]:
        return iter(self._by_eui.values())

    def __len__(self) -> int:
        return len(self._by_eui)

    def get(self, eui: EUI) -> StationEntry | None:
        return self._by_eui.get(eui)

    def name(self, eui: EUI) -> str:
        """Return the name that people gave a station; empty if none."""
        entry = self._by_eui.get(eui)
        return entry.name if entry is not None else ""

    def is_blocked(self, eui: EUI) -> bool:
        """Return whether people have blocked a station."""
        entry = self._by_eui.get(eui)
        return entry is not None and entry.blocked_at is not None

    def put(self, entries: Sequence[StationEntry]) -> Deferred[None]:
        """Store entries, all or none. They take effect once they are on disk, when the Deferred fires."""

        def stored(_: None) -> None:
            self._by_eui.update({entry.base_station_eui: entry for entry in entries})

        return self._journal.tables.put(entries).addCallback(stored)

    def removal(self, eui: EUI) -> Change:
        """Return the deletion of a station's entry, for a commit after which :meth:`removed` is called."""
        return self._journal.tables.change(StationEntry, {eui: None})

    def removed(self, eui: EUI) -> None:
        """Note that the entry of a station is no longer on disk."""
        self._by_eui.pop(eui, None)
