"""How far each sink has come."""

from __future__ import annotations

import sqlite3

from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.sqlite.core import Core, Rows
from bssci.journal.sqlite.statements import upsert
from bssci.journal.sqlite.worker import Lane


def _move(cursor: sqlite3.Cursor, moves: list[tuple[str, int]]) -> None:
    upsert(cursor, "sink_cursor", ("name", "seq"), list(dict(moves).items()), key=("name",))


CURSORS: Lane[tuple[str, int]] = Lane(_move)


class Cursors:
    """See :class:`bssci.journal.interface.Cursors`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def move(self, name: str, seq: int) -> Deferred[None]:
        return self._core.store((CURSORS, [(name, seq)]))

    def change(self, name: str, seq: int) -> Change:
        return Rows((CURSORS, [(name, seq)]))


def load_cursors(cursor: sqlite3.Cursor) -> dict[str, int]:
    """The last event that each sink has delivered."""
    return dict(cursor.execute("SELECT name, seq FROM sink_cursor").fetchall())
