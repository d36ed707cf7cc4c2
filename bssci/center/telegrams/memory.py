"""Memory of the newest telegrams' ids, to recognise repeated deliveries, also after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bssci.journal import Change, Journal, TelegramKey

SIZE = 1 << 16
"""ids that are kept; after a lost connection a broker repeats some thousands of messages at most"""


class TelegramMemory:
    """A ring of ids, in memory and in the journal.

    :param kept: contents of the ring in the journal at the start.
    """

    def __init__(self, journal: Journal, kept: Mapping[int, TelegramKey], size: int = SIZE) -> None:
        self._tables = journal.tables
        self._size = size
        newest = sorted(kept.values(), key=lambda key: key.number)[-size:]
        self._ids: dict[int, str] = {key.number % size: key.id for key in newest}
        self._slots: dict[str, int] = {id: slot for slot, id in self._ids.items()}
        self._next = newest[-1].number + 1 if newest else 0

    def __contains__(self, id: object) -> bool:
        return id in self._slots

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, ids: Iterable[str]) -> Change:
        """Remember ids from now on; return the change to store in the same commit as their telegrams."""
        rows: dict[int, TelegramKey] = {}
        for id in ids:
            slot = self._next % self._size
            self._drop(slot)
            self._ids[slot] = id
            self._slots[id] = slot
            rows[slot] = TelegramKey(slot=slot, number=self._next, id=id)
            self._next += 1
        return self._tables.change(TelegramKey, rows)

    def forget(self, ids: Iterable[str]) -> None:
        """Forget ids whose telegrams could not be stored."""
        for id in ids:
            slot = self._slots.get(id)
            if slot is not None:
                self._drop(slot)

    def _drop(self, slot: int) -> None:
        id = self._ids.pop(slot, None)
        if id is not None and self._slots.get(id) == slot:
            del self._slots[id]
