"""Sensors that were heard and are not configured: tolerably old after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI


def _change_unknown(cursor: sqlite3.Cursor, changes: list[tuple[EUI, bytes | None]]) -> None:
    last = dict(changes)
    execute_rows(
        cursor,
        "DELETE FROM unknown_sensor WHERE end_point_eui IN (VALUES {rows})",
        [(eui,) for eui, body in last.items() if body is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO unknown_sensor (end_point_eui, body) VALUES {rows} "
        "ON CONFLICT (end_point_eui) DO UPDATE SET body = excluded.body",
        [(eui, body) for eui, body in last.items() if body is not None],
    )


UNKNOWN: Lane[tuple[EUI, bytes | None]] = Lane(_change_unknown)
"""An unknown sensor as its writer encoded it, or None to forget it; the last word counts."""


class UnknownSensors(Core):
    """Part of the journal: unknown sensors."""

    def load_unknown(self) -> dict[EUI, bytes]:
        """Every unknown sensor, for the start."""
        query = "SELECT end_point_eui, body FROM unknown_sensor"
        return dict(self._read_now(lambda cursor: cursor.execute(query).fetchall()))

    def store_unknown(self, sensors: Iterable[tuple[EUI, bytes | None]]) -> Deferred[None]:
        """Store some sensors; None forgets one."""
        return self._rows(UNKNOWN, list(sensors))
