"""Inspection of the journal of a service that is not running, for damaged entries."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from bssci.journal.records import Loaded
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.database import FILE_NAME, check_journal, load_schema, read_only
from bssci.journal.sqlite.loading import load
from bssci.model import decode_event
from bssci.wire.session import decode_operation

SECONDS = 5.0
"""s that reading the events may take, from the newest on; older ones are then not inspected"""
_SLICE = 1000


def inspect(directory: Path) -> list[str]:
    """Return a line for each table in which a start would skip damaged entries. Changes nothing.

    :raises JournalError: the journal could not be opened at all.
    """
    check_journal(directory)
    path = directory / FILE_NAME
    if not path.exists() or path.stat().st_size == 0:
        return []
    with read_only(path) as connection:
        cursor = connection.cursor()
        if cursor.execute("PRAGMA user_version").fetchone()[0] < len(load_schema()):
            return []
        _look_at_operations(cursor, load(cursor))
        _look_at_events(cursor)
        return [
            f"{path}: {count} of the entries of {table} cannot be read, the first is {key!r}; "
            "they are skipped, the rest is used"
            for table, (count, key) in sorted(connection.damaged.items())
        ]


def _look_at_operations(cursor: sqlite3.Cursor, loaded: Loaded) -> None:
    """Look at the open operations of the sessions, which are read when the stations are made."""
    for session in loaded.sessions.values():
        for op_id, message in session.open_operations:
            try:
                decode_operation(message, op_id)
            except UNREADABLE as error:
                pass_over(cursor, "open_operation", (session.base_station_eui, op_id), error)


def _look_at_events(cursor: sqlite3.Cursor) -> None:
    """Read the events, newest first, as long as there is time."""
    end = time.monotonic() + SECONDS
    before = 1 << 62
    while time.monotonic() < end:
        rows = cursor.execute(
            "SELECT seq, body FROM event WHERE seq < ? ORDER BY seq DESC LIMIT ?", (before, _SLICE)
        ).fetchall()
        if not rows:
            return
        before = rows[-1][0]
        for seq, body in rows:
            try:
                decode_event(body)
            except UNREADABLE as error:
                pass_over(cursor, "event", seq, error)
