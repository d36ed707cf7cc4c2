"""By which base stations each sensor was heard lately, and which uplinks are counted in."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.checkpoints import ACTIVITY, PATHS, find_checkpoint, move_checkpoint
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows
from bssci.model import EUI


def _change_paths(
    cursor: sqlite3.Cursor, changes: Sequence[tuple[EUI, bytes | None]], checkpoint_seq: int | None
) -> None:
    execute_rows(
        cursor,
        "DELETE FROM path WHERE end_point_eui IN (VALUES {rows})",
        [(eui,) for eui, body in changes if body is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO path (end_point_eui, body) VALUES {rows} "
        "ON CONFLICT (end_point_eui) DO UPDATE SET body = excluded.body",
        [(eui, body) for eui, body in changes if body is not None],
    )
    if checkpoint_seq is not None:
        move_checkpoint(cursor, PATHS, checkpoint_seq)


def _select_checkpoint(cursor: sqlite3.Cursor) -> int:
    """In a journal of an older release, that of the sensors' activity: it was stored as often."""
    found = find_checkpoint(cursor, PATHS)
    return found if found is not None else find_checkpoint(cursor, ACTIVITY) or 0


class Paths(Core):
    """Part of the journal: paths."""

    def load_paths(self) -> dict[EUI, bytes]:
        """The paths of every sensor, for the start."""
        query = "SELECT end_point_eui, body FROM path"
        return dict(self._read_now(lambda cursor: cursor.execute(query).fetchall()))

    def paths_checkpoint(self) -> int:
        """The last event that is counted into the paths of all sensors."""
        return self._read_now(_select_checkpoint)

    def store_paths(
        self, paths: Sequence[tuple[EUI, bytes | None]], checkpoint_seq: int | None = None
    ) -> Deferred[None]:
        """Store the paths of some sensors, as their writer encoded them; None forgets those of one.

        :param checkpoint_seq: the last event that is counted into what is stored by then, of all sensors.
        """
        return self._change(lambda cursor: _change_paths(cursor, paths, checkpoint_seq), after=())
