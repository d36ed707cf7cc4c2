"""Checkpoints: numbers of the last event that each table derived from events takes into account."""

from __future__ import annotations

import sqlite3

from bssci.journal.sqlite.damage import pass_over
from bssci.journal.sqlite.statements import upsert
from bssci.journal.sqlite.worker import Lane

UPLINK_KEY = "uplink_key"
"""checkpoint of the index of uplinks by counter; other checkpoints have the name of their table"""


def move_checkpoints(cursor: sqlite3.Cursor, moves: list[tuple[str, int]]) -> None:
    """Store the numbers of checkpoints, each a (name, event number)."""
    upsert(cursor, "checkpoint", ("name", "seq"), list(dict(moves).items()), key=("name",))


def find_checkpoint(cursor: sqlite3.Cursor, name: str) -> int | None:
    """Return the number of a checkpoint; None if there is none, or it is damaged."""
    row = cursor.execute("SELECT seq FROM checkpoint WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    if isinstance(row[0], int):
        return row[0]
    pass_over(cursor, "checkpoint", name, TypeError("not a number"))
    return None


CHECKPOINTS: Lane[tuple[str, int]] = Lane(move_checkpoints)
