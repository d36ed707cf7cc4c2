"""Cursors: the position of each sink in the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.sqlite.core import Core, LaneChange
from bssci.journal.sqlite.damage import sound_rows
from bssci.journal.sqlite.events import Events
from bssci.journal.sqlite.statements import upsert
from bssci.journal.sqlite.worker import Lane


def _move(cursor: sqlite3.Cursor, moves: list[tuple[str, int]]) -> None:
    upsert(cursor, "sink_cursor", ("name", "seq"), list(dict(moves).items()), key=("name",))


_EVERY = 1 << 62

CURSORS: Lane[tuple[str, int]] = Lane(_move)


class Cursors:
    """SQLite implementation of :class:`bssci.journal.interface.Cursors`."""

    def __init__(self, core: Core, events: Events) -> None:
        self._core = core
        self._events = events
        self._followed: dict[str, int] = {}
        self._following = False

    def follow(self, cursors: Mapping[str, int]) -> None:
        self._following = True
        self._followed = dict(cursors)
        self._release()

    def move(self, name: str, seq: int) -> Deferred[None]:
        if name in self._followed:
            self._followed[name] = seq
            self._release()
        return self._core.store((CURSORS, [(name, seq)]))

    def change(self, name: str, seq: int) -> Change:
        return LaneChange((CURSORS, [(name, seq)]))

    @property
    def delivered_seq(self) -> int:
        """Number of the last event that every sink has taken; 0 until the sinks are known."""
        if not self._following:
            return 0
        return min(self._followed.values(), default=_EVERY)

    def _release(self) -> None:
        self._events.release(self.delivered_seq)


def load_cursors(cursor: sqlite3.Cursor) -> dict[str, int]:
    """Return the last event that each sink has delivered; damaged cursors are left out."""
    rows = cursor.execute("SELECT name, seq FROM sink_cursor").fetchall()
    return dict(sound_rows(cursor, "sink_cursor", rows, tuple[str, int]))
