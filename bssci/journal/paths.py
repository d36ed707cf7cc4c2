"""By which base stations each sensor was heard lately: learned, and tolerably old after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from twisted.internet.defer import Deferred

from bssci.journal.core import Core
from bssci.journal.statements import execute_rows
from bssci.journal.worker import Lane
from bssci.model import EUI


def _change_paths(cursor: sqlite3.Cursor, changes: list[tuple[EUI, bytes | None]]) -> None:
    last = dict(changes)
    execute_rows(
        cursor,
        "DELETE FROM path WHERE end_point_eui IN (VALUES {rows})",
        [(eui,) for eui, body in last.items() if body is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO path (end_point_eui, body) VALUES {rows} "
        "ON CONFLICT (end_point_eui) DO UPDATE SET body = excluded.body",
        [(eui, body) for eui, body in last.items() if body is not None],
    )


PATHS: Lane[tuple[EUI, bytes | None]] = Lane(_change_paths)
"""A sensor's paths as their writer encoded them, or None to forget them; the last word counts."""


class Paths(Core):
    """Part of the journal: paths."""

    def load_paths(self) -> dict[EUI, bytes]:
        """The paths of every sensor, for the start."""
        query = "SELECT end_point_eui, body FROM path"
        return dict(self._read_now(lambda cursor: cursor.execute(query).fetchall()))

    def store_paths(self, paths: Iterable[tuple[EUI, bytes | None]]) -> Deferred[None]:
        """Store the paths of some sensors; None forgets those of one."""
        return self._rows(PATHS, list(paths))
