"""Figures over time, for charts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import upsert


class Samples:
    """SQLite implementation of :class:`bssci.journal.interface.Samples`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def store(self, at: float, values: Mapping[str, float], forget_before: float) -> Deferred[None]:
        rows = [(metric, at, value) for metric, value in values.items()]
        return self._core.change(lambda cursor: _store(cursor, rows, forget_before), after=())

    def read(
        self, metric: str, *, since: float, step: float
    ) -> Deferred[list[tuple[float, float, float, float]]]:
        query = (
            "SELECT CAST(at / ? AS INTEGER) AS step, AVG(value), MIN(value), MAX(value) FROM sample "
            "WHERE metric = ? AND at >= ? AND typeof(at) = 'real' AND value BETWEEN -1e18 AND 1e18 "
            "GROUP BY step ORDER BY step"
        )
        return self._core.look_back(
            lambda cursor: [
                (number * step, mean, least, most)
                for number, mean, least, most in cursor.execute(query, (step, metric, since)).fetchall()
            ]
        )


def _store(cursor: sqlite3.Cursor, rows: list[tuple[str, float, float]], forget_before: float) -> None:
    upsert(cursor, "sample", ("metric", "at", "value"), rows, key=("metric", "at"))
    cursor.execute("DELETE FROM sample WHERE at < ?", (forget_before,))
