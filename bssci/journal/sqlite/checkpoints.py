"""Positions up to which events are counted in the tables that are derived from them."""

from __future__ import annotations

import sqlite3

from bssci.journal.sqlite.damage import pass_over
from bssci.journal.sqlite.statements import upsert
from bssci.journal.sqlite.worker import Lane

UPLINK_KEY = "uplink_key"
"""the index of uplinks by counter; a table that is learned from events has its own name here"""


def move_checkpoints(cursor: sqlite3.Cursor, moves: list[tuple[str, int]]) -> None:
    """Note for each name that events up to this number are contained in what it stands for."""
    upsert(cursor, "checkpoint", ("name", "seq"), list(dict(moves).items()), key=("name",))


def find_checkpoint(cursor: sqlite3.Cursor, name: str) -> int | None:
    """Return the last event that is contained; None if none was ever named, or it is damaged."""
    row = cursor.execute("SELECT seq FROM checkpoint WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    if isinstance(row[0], int):
        return row[0]
    pass_over(cursor, "checkpoint", name, TypeError("not a number"))
    return None


CHECKPOINTS: Lane[tuple[str, int]] = Lane(move_checkpoints)
