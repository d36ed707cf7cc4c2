"""Sessions of base stations, with their open operations and the sensors they were told about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from twisted.internet.defer import Deferred

from bssci.journal.records import Registration, StoredSession
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import Row, SqlValue, execute_rows
from bssci.journal.sqlite.worker import Lane, Submission
from bssci.model import EUI

OperationKey = tuple[EUI, int]
RegistrationKey = tuple[EUI, EUI]


def _move_watermarks(cursor: sqlite3.Cursor, moves: list[tuple[EUI, int, int]]) -> None:
    marks: dict[EUI, tuple[int, int]] = {}
    for eui, bs_op_id, sc_op_id in moves:
        bs_mark, sc_mark = marks.get(eui, (0, 0))
        marks[eui] = (max(bs_op_id, bs_mark), min(sc_op_id, sc_mark))
    execute_rows(
        cursor,
        "WITH moved (eui, bs_op_id, sc_op_id) AS (VALUES {rows}) UPDATE session SET "
        "last_bs_op_id = CASE WHEN bs_op_id > last_bs_op_id THEN bs_op_id ELSE last_bs_op_id END, "
        "last_sc_op_id = CASE WHEN sc_op_id < last_sc_op_id THEN sc_op_id ELSE last_sc_op_id END "
        "FROM moved WHERE base_station_eui = moved.eui",
        [(eui, *mark) for eui, mark in marks.items()],
    )


def _change_operations(cursor: sqlite3.Cursor, changes: list[tuple[OperationKey, bytes | None]]) -> None:
    last = dict(changes)
    _delete_operations(cursor, [key for key, message in last.items() if message is None])
    _insert_operations(cursor, [(*key, message) for key, message in last.items() if message is not None])


def _insert_operations(cursor: sqlite3.Cursor, rows: list[Row]) -> None:
    execute_rows(
        cursor,
        "INSERT INTO open_operation (base_station_eui, op_id, message) VALUES {rows} "
        "ON CONFLICT (base_station_eui, op_id) DO UPDATE SET message = excluded.message",
        rows,
    )


def _store_registrations(
    cursor: sqlite3.Cursor, changes: list[tuple[RegistrationKey, tuple[SqlValue, ...]]]
) -> None:
    execute_rows(
        cursor,
        "INSERT INTO registration (base_station_eui, end_point_eui, fingerprint, state, code, message, at) "
        "VALUES {rows} ON CONFLICT (base_station_eui, end_point_eui) DO UPDATE SET "
        "fingerprint = excluded.fingerprint, state = excluded.state, code = excluded.code, "
        "message = excluded.message, at = excluded.at",
        [(*key, *values) for key, values in dict(changes).items()],
    )


def _delete_operations(cursor: sqlite3.Cursor, keys: Iterable[OperationKey]) -> None:
    # Station by station, because SQLite looks at every row for "(a, b) IN (VALUES ...)".
    rows: dict[EUI, list[Row]] = {}
    for eui, op_id in keys:
        rows.setdefault(eui, []).append((op_id,))
    for eui, of_station in rows.items():
        execute_rows(
            cursor,
            "DELETE FROM open_operation WHERE base_station_eui = ? AND op_id IN (VALUES {rows})",
            of_station,
            first=(eui,),
        )


WATERMARKS: Lane[tuple[EUI, int, int]] = Lane(_move_watermarks)
"""(station, highest operation id seen, lowest issued): 0 moves nothing, and nothing moves back."""
OPERATIONS: Lane[tuple[OperationKey, bytes | None]] = Lane(_change_operations)
"""An open operation's message, or None when it is closed; of one operation the last word counts."""
REGISTRATIONS: Lane[tuple[RegistrationKey, tuple[SqlValue, ...]]] = Lane(_store_registrations)
"""A registration's values; the last word counts."""


class Sessions(Core):
    """Part of the journal: sessions and registrations.

    What is said of a session that no longer exists changes nothing.
    """

    def load_sessions(self) -> list[StoredSession]:
        """Every session, for the start."""
        return self._read_now(_select_sessions)

    def store_session(self, session: StoredSession) -> Deferred[None]:
        """Begin a session. The station's old one goes, with its open operations and registrations."""
        return self._change(
            lambda cursor: _replace_session(cursor, session), after=(WATERMARKS, OPERATIONS, REGISTRATIONS)
        )

    def advance_session(self, base_station_eui: EUI, last_bs_op_id: int) -> Deferred[None]:
        """Store that a session has come to this operation of the station."""
        return self._rows(WATERMARKS, [(base_station_eui, last_bs_op_id, 0)])

    def open_operations(
        self, base_station_eui: EUI, last_sc_op_id: int, operations: Iterable[tuple[int, bytes]]
    ) -> Deferred[None]:
        """Store operations (id, message) that are issued now, and the lowest id that was ever issued."""
        changes = [((base_station_eui, op_id), message) for op_id, message in operations]
        deferred: Deferred[None] = Deferred()
        self._writer.submit(
            Submission(
                deferred, rows=((OPERATIONS, changes), (WATERMARKS, ((base_station_eui, 0, last_sc_op_id),)))
            )
        )
        return deferred

    def close_operations(self, base_station_eui: EUI, op_ids: Iterable[int]) -> Deferred[None]:
        """Forget operations that are completed."""
        return self._rows(OPERATIONS, [((base_station_eui, op_id), None) for op_id in op_ids])

    def load_registrations(self, base_station_eui: EUI) -> Deferred[list[Registration]]:
        """What the station was told, including everything that was submitted before."""
        return self._read_after_writing(lambda cursor: _select_registrations(cursor, base_station_eui))

    def store_registrations(
        self, base_station_eui: EUI, registrations: Iterable[Registration]
    ) -> Deferred[None]:
        """Store what the station was told or has answered; one registration per sensor, the last counts."""
        return self._rows(
            REGISTRATIONS,
            [
                ((base_station_eui, r.end_point_eui), (r.fingerprint, r.state, r.code, r.message, r.at))
                for r in registrations
            ],
        )


def _select_sessions(cursor: sqlite3.Cursor) -> list[StoredSession]:
    operations: dict[EUI, list[tuple[int, bytes]]] = {}
    for eui, op_id, message in cursor.execute(
        "SELECT base_station_eui, op_id, message FROM open_operation ORDER BY op_id DESC"
    ):
        operations.setdefault(eui, []).append((op_id, message))
    rows = cursor.execute(
        "SELECT base_station_eui, sn_bs_uuid, sn_sc_uuid, version, last_bs_op_id, last_sc_op_id, created_at "
        "FROM session ORDER BY base_station_eui"
    ).fetchall()
    return [
        StoredSession(
            base_station_eui=eui,
            sn_bs_uuid=bs_uuid,
            sn_sc_uuid=sc_uuid,
            version=version,
            last_bs_op_id=bs_op_id,
            last_sc_op_id=sc_op_id,
            created_at=created_at,
            open_operations=operations.get(eui, []),
        )
        for eui, bs_uuid, sc_uuid, version, bs_op_id, sc_op_id, created_at in rows
    ]


def _replace_session(cursor: sqlite3.Cursor, session: StoredSession) -> None:
    eui = session.base_station_eui
    cursor.execute("DELETE FROM session WHERE base_station_eui = ?", (eui,))
    cursor.execute("DELETE FROM open_operation WHERE base_station_eui = ?", (eui,))
    cursor.execute("DELETE FROM registration WHERE base_station_eui = ?", (eui,))
    cursor.execute(
        "INSERT INTO session (base_station_eui, sn_bs_uuid, sn_sc_uuid, version, last_bs_op_id, "
        "last_sc_op_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            eui,
            session.sn_bs_uuid,
            session.sn_sc_uuid,
            session.version,
            session.last_bs_op_id,
            session.last_sc_op_id,
            session.created_at,
        ),
    )
    _insert_operations(cursor, [(eui, op_id, message) for op_id, message in session.open_operations])


def _select_registrations(cursor: sqlite3.Cursor, base_station_eui: EUI) -> list[Registration]:
    rows = cursor.execute(
        "SELECT end_point_eui, fingerprint, state, code, message, at FROM registration "
        "WHERE base_station_eui = ? ORDER BY end_point_eui",
        (base_station_eui,),
    ).fetchall()
    return [
        Registration(
            end_point_eui=eui, fingerprint=fingerprint, state=state, code=code, message=message, at=at
        )
        for eui, fingerprint, state, code, message, at in rows
    ]
