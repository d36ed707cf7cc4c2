"""The web admin's own: who did what, and figures for charts."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows

MAX_AUDIT = 100_000
"""entries; the oldest go"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Somebody changed something, or was shown a secret."""

    at: float
    """Unix seconds"""
    who: str
    address: str
    action: str
    target: str = ""
    detail: str = ""
    """for people; holds no secret"""
    seq: int = 0
    """given when it is stored"""


class Administration(Core):
    """Part of the journal: audit and samples."""

    def append_audit(self, entry: AuditEntry) -> Deferred[None]:
        """On disk when the Deferred fires."""
        return self._change(lambda cursor: _insert_audit(cursor, entry), after=())

    def read_audit(
        self, *, before: int | None, limit: int, who: str = "", action: str = ""
    ) -> Deferred[list[AuditEntry]]:
        """The newest entries, newest first.

        :param before: only those with a lower ``seq``.
        :param who: only this account or token.
        :param action: only actions that begin so.
        """
        return self._read_after_writing(lambda cursor: _select_audit(cursor, before, limit, who, action))

    def store_samples(self, at: float, values: Mapping[str, float], forget_before: float) -> Deferred[None]:
        """Keep a value of each metric, and forget older ones (Unix seconds)."""
        rows = [(metric, at, value) for metric, value in values.items()]
        return self._change(lambda cursor: _store_samples(cursor, rows, forget_before), after=())

    def read_samples(
        self, metric: str, *, since: float, step: float
    ) -> Deferred[list[tuple[float, float, float, float]]]:
        """Per step of time (s) since then: its begin, and mean, least and most of the values in it."""
        query = (
            "SELECT CAST(at / ? AS INTEGER) AS step, AVG(value), MIN(value), MAX(value) FROM sample "
            "WHERE metric = ? AND at >= ? GROUP BY step ORDER BY step"
        )
        return self.read(
            lambda cursor: [
                (number * step, mean, least, most)
                for number, mean, least, most in cursor.execute(query, (step, metric, since)).fetchall()
            ]
        )


def _insert_audit(cursor: sqlite3.Cursor, entry: AuditEntry) -> None:
    cursor.execute(
        "INSERT INTO audit (at, who, address, action, target, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (entry.at, entry.who, entry.address, entry.action, entry.target, entry.detail),
    )
    cursor.execute("DELETE FROM audit WHERE seq <= (SELECT MAX(seq) FROM audit) - ?", (MAX_AUDIT,))


def _select_audit(
    cursor: sqlite3.Cursor, before: int | None, limit: int, who: str, action: str
) -> list[AuditEntry]:
    conditions, values = ["1 = 1"], list[str | int]()
    if before is not None:
        conditions.append("seq < ?")
        values.append(before)
    if who:
        conditions.append("who = ?")
        values.append(who)
    if action:
        conditions.append("substr(action, 1, ?) = ?")
        values += [len(action), action]
    rows = cursor.execute(
        "SELECT seq, at, who, address, action, target, detail FROM audit "
        f"WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?",
        (*values, limit),
    ).fetchall()
    return [
        AuditEntry(seq=seq, at=at, who=name, address=address, action=did, target=target, detail=detail)
        for seq, at, name, address, did, target, detail in rows
    ]


def _store_samples(
    cursor: sqlite3.Cursor, rows: list[tuple[str, float, float]], forget_before: float
) -> None:
    execute_rows(
        cursor,
        "INSERT INTO sample (metric, at, value) VALUES {rows} "
        "ON CONFLICT (metric, at) DO UPDATE SET value = excluded.value",
        rows,
    )
    cursor.execute("DELETE FROM sample WHERE at < ?", (forget_before,))
