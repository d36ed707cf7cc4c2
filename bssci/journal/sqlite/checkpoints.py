"""How far events are counted into what is learned from them."""

from __future__ import annotations

import sqlite3

UPLINK_KEY = "uplink_key"
"""the index of uplinks by counter"""
ACTIVITY = "sensor_activity"
PATHS = "path"


def move_checkpoint(cursor: sqlite3.Cursor, name: str, seq: int) -> None:
    """Events up to this one are contained in what ``name`` stands for."""
    cursor.execute(
        "INSERT INTO checkpoint (name, seq) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
        (name, seq),
    )


def find_checkpoint(cursor: sqlite3.Cursor, name: str) -> int | None:
    """The last event that is contained; None if none was ever named."""
    row = cursor.execute("SELECT seq FROM checkpoint WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])
