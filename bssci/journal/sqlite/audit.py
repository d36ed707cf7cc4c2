"""The audit log's table."""

from __future__ import annotations

import sqlite3

from twisted.internet.defer import Deferred

from bssci.journal.records import AuditEntry
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import SqlValue

MAX_AUDIT = 100_000
"""entries that are kept, about; beyond that the oldest are deleted"""
MAX_REFUSED = 10_000
"""log-ins refused among them, about: anybody can cause these, and must not displace what people did"""
REFUSED = "login.refused"
_COLUMNS = ("seq", "at", "who", "address", "action", "target", "detail")
DAMAGED = "(damaged)"
SWEEP = 100
"""entries after which the oldest are looked for"""


class Audit:
    """SQLite implementation of :class:`bssci.journal.interface.Audit`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def append(self, entry: AuditEntry) -> Deferred[None]:
        return self._core.change(lambda cursor: _insert(cursor, entry), after=())

    def read(
        self, *, before: int | None, limit: int, who: str = "", action: str = "", text: str = ""
    ) -> Deferred[list[AuditEntry]]:
        return self._core.look_back(
            lambda cursor: _select(cursor, before, limit, who, action, text), after_writing=True
        )


def _insert(cursor: sqlite3.Cursor, entry: AuditEntry) -> None:
    cursor.execute(
        "INSERT INTO audit (at, who, address, action, target, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (entry.at, entry.who, entry.address, entry.action, entry.target, entry.detail),
    )
    if cursor.lastrowid is not None and cursor.lastrowid % SWEEP == 0:
        cursor.execute(
            "DELETE FROM audit WHERE action = ? AND seq <= "
            "(SELECT seq FROM audit WHERE action = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (REFUSED, REFUSED, MAX_REFUSED),
        )
        cursor.execute(
            "DELETE FROM audit WHERE seq <= (SELECT seq FROM audit ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (MAX_AUDIT,),
        )


def _select(
    cursor: sqlite3.Cursor, before: int | None, limit: int, who: str, action: str, text: str
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
    if text:
        conditions.append("(instr(lower(target), lower(?)) OR instr(lower(detail), lower(?)))")
        values += [text, text]
    rows = cursor.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM audit WHERE {' AND '.join(conditions)} ORDER BY seq DESC LIMIT ?",
        (*values, limit),
    ).fetchall()
    return [_entry(*row) for row in rows]


def _entry(seq: int, at: SqlValue, *texts: SqlValue) -> AuditEntry:
    """Return the entry of a row. A damaged column costs itself only: no entry may be missing."""
    who, address, action, target, detail = (text if isinstance(text, str) else DAMAGED for text in texts)
    at = float(at) if isinstance(at, int | float) else 0.0
    return AuditEntry(seq=seq, at=at, who=who, address=address, action=action, target=target, detail=detail)
