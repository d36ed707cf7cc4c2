"""When base stations were connected, so that sensors could be heard."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows
from bssci.journal.sqlite.worker import Lane

Times = tuple[float, float]
"""from and until, Unix seconds"""


def _change_times(cursor: sqlite3.Cursor, changes: list[tuple[int, Times | None]]) -> None:
    last = dict(changes)
    execute_rows(
        cursor,
        "DELETE FROM listening WHERE number IN (VALUES {rows})",
        [(number,) for number, times in last.items() if times is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO listening (number, began_at, ended_at) VALUES {rows} ON CONFLICT (number) DO UPDATE "
        "SET began_at = excluded.began_at, ended_at = excluded.ended_at",
        [(number, *times) for number, times in last.items() if times is not None],
    )


LISTENING: Lane[tuple[int, Times | None]] = Lane(_change_times)
"""An interval by its number, or None to forget it; the last word counts."""


class Listening(Core):
    """Part of the journal: the intervals in which sensors could be heard."""

    def load_listening(self) -> dict[int, Times]:
        """Every interval by its number, in their order, for the start."""
        query = "SELECT number, began_at, ended_at FROM listening ORDER BY number"
        rows = self._read_now(lambda cursor: cursor.execute(query).fetchall())
        return {number: (began_at, ended_at) for number, began_at, ended_at in rows}

    def store_listening(self, intervals: Mapping[int, Times | None]) -> Deferred[None]:
        """Store intervals, or forget those that are None."""
        return self._rows(LISTENING, list(intervals.items()))
