"""Sessions of base stations, with their open operations and the registrations of sensors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.records import Registration, StoredSession
from bssci.journal.sqlite.core import Core, LaneChange, lanes_of
from bssci.journal.sqlite.damage import UNREADABLE, StoredEUI, pass_over, sound_rows
from bssci.journal.sqlite.statements import Row, SqlValue, as_json, execute_rows, fetch_texts, upsert
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI
from bssci.model.eui import parse_eui
from bssci.wire.errors import ProtocolError
from bssci.wire.version import negotiate

OperationKey = tuple[EUI, int]
RegistrationKey = tuple[EUI, EUI]

_REGISTRATION = ("base_station_eui", "end_point_eui", "fingerprint", "state", "code", "message", "at")
_OTHER = "state <> 'attached'"
"""condition of the index ``registration_other``, which SQLite uses only where a query repeats it"""
_SESSION = (
    "base_station_eui",
    "sn_bs_uuid",
    "sn_sc_uuid",
    "version",
    "last_bs_op_id",
    "last_sc_op_id",
    "created_at",
)


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
    columns = ("base_station_eui", "op_id", "message")
    upsert(cursor, "open_operation", columns, rows, key=columns[:2])


def _store_registrations(
    cursor: sqlite3.Cursor, changes: list[tuple[RegistrationKey, tuple[SqlValue, ...]]]
) -> None:
    rows = [(*key, *values) for key, values in dict(changes).items()]
    upsert(cursor, "registration", _REGISTRATION, rows, key=_REGISTRATION[:2])


def _delete_operations(cursor: sqlite3.Cursor, keys: Iterable[OperationKey]) -> None:
    # Station by station, because for "(a, b) IN (VALUES ...)" SQLite scans the whole table.
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
"""(station, highest opId seen, lowest opId issued); 0 leaves a mark as it is, and marks never move back"""
OPERATIONS: Lane[tuple[OperationKey, bytes | None]] = Lane(_change_operations)
"""message of an open operation, or None to delete it; of one operation the last change counts"""
REGISTRATIONS: Lane[tuple[RegistrationKey, tuple[SqlValue, ...]]] = Lane(_store_registrations)
"""values of a registration; of one registration the last change counts"""


class Sessions:
    """SQLite implementation of :class:`bssci.journal.interface.Sessions`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, session: StoredSession) -> Deferred[None]:
        return self._core.change(
            lambda cursor: _replace_session(cursor, session), after=(WATERMARKS, OPERATIONS, REGISTRATIONS)
        )

    def end(self, base_station_eui: EUI, beside: Sequence[Change] = ()) -> Deferred[None]:
        return self._core.change(
            lambda cursor: _delete_session(cursor, base_station_eui),
            after=(WATERMARKS, OPERATIONS, REGISTRATIONS),
            rows=lanes_of(beside),
        )

    def advance(self, base_station_eui: EUI, last_bs_op_id: int) -> Deferred[None]:
        return self._core.store((WATERMARKS, ((base_station_eui, last_bs_op_id, 0),)))

    def mark(self, base_station_eui: EUI, last_bs_op_id: int) -> Change:
        return LaneChange((WATERMARKS, ((base_station_eui, last_bs_op_id, 0),)))

    def open_operations(
        self, base_station_eui: EUI, last_sc_op_id: int, operations: Iterable[tuple[int, bytes]]
    ) -> Deferred[None]:
        changes = [((base_station_eui, op_id), message) for op_id, message in operations]
        return self._core.store((OPERATIONS, changes), (WATERMARKS, ((base_station_eui, 0, last_sc_op_id),)))

    def closing(
        self, base_station_eui: EUI, op_ids: Iterable[int], registrations: Iterable[Registration] = ()
    ) -> Change:
        return LaneChange(
            (OPERATIONS, [((base_station_eui, op_id), None) for op_id in op_ids]),
            (REGISTRATIONS, _rows_of(base_station_eui, registrations)),
        )

    def pass_over_operation(self, base_station_eui: EUI, op_id: int, error: Exception) -> Deferred[None]:
        return self._core.read(
            lambda cursor: pass_over(cursor, "open_operation", (base_station_eui, op_id), error)
        )

    def store_registrations(
        self, base_station_eui: EUI, registrations: Iterable[Registration]
    ) -> Deferred[None]:
        return self._core.store((REGISTRATIONS, _rows_of(base_station_eui, registrations)))

    def registrations_at(self, base_station_eui: EUI) -> Deferred[list[Registration]]:
        return self._core.read_after_writing(
            lambda cursor: [
                registration
                for _, registration in _registrations(cursor, "base_station_eui", base_station_eui)
            ]
        )

    def registrations_of(self, end_point_eui: EUI) -> Deferred[dict[EUI, Registration]]:
        return self._core.read_after_writing(
            lambda cursor: dict(_registrations(cursor, "end_point_eui", end_point_eui))
        )

    def registration_states(self, euis: Iterable[EUI]) -> Deferred[dict[EUI, dict[EUI, str]]]:
        wanted = as_json(euis)
        return self._core.look_back(lambda cursor: _states(cursor, wanted))

    def count_registrations(self) -> Deferred[dict[EUI, dict[str, int]]]:
        return self._core.look_back(_count_registrations)

    def sensors_with_refusals(self) -> Deferred[set[EUI]]:
        query = f"SELECT DISTINCT end_point_eui FROM registration WHERE {_OTHER} AND state = 'refused'"
        return self._core.look_back(
            lambda cursor: {EUI(eui) for (eui,) in fetch_texts(cursor, query, ("end_point_eui",))}
        )


def _rows_of(
    station: EUI, registrations: Iterable[Registration]
) -> list[tuple[RegistrationKey, tuple[SqlValue, ...]]]:
    return [
        ((station, each.end_point_eui), (each.fingerprint, each.state, each.code, each.message, each.at))
        for each in registrations
    ]


def load_sessions(cursor: sqlite3.Cursor) -> dict[EUI, StoredSession]:
    """Return every session, by its station."""
    operations: dict[EUI, list[tuple[int, bytes]]] = {}
    found = cursor.execute("SELECT base_station_eui, op_id, message FROM open_operation ORDER BY op_id DESC")
    for eui, op_id, message in sound_rows(
        cursor, "open_operation", found.fetchall(), tuple[StoredEUI, int, bytes]
    ):
        operations.setdefault(eui, []).append((op_id, message))
    rows = cursor.execute(f"SELECT {', '.join(_SESSION)} FROM session ORDER BY base_station_eui").fetchall()
    sessions: dict[EUI, StoredSession] = {}
    for row in rows:
        try:
            parse_eui(row[0])
            values = dict(zip(_SESSION, row, strict=True)) | {"open_operations": operations.get(row[0], [])}
            sessions[row[0]] = _sound(msgspec.convert(values, StoredSession, builtin_types=(bytes,)))
        except UNREADABLE as error:
            pass_over(cursor, "session", row[0], error)
    return sessions


def _sound(session: StoredSession) -> StoredSession:
    """Return the session if its station can resume it.

    :raises ValueError: it is damaged.
    """
    try:
        negotiate(session.version)
    except ProtocolError as error:
        raise ValueError(error.message) from error
    if session.last_bs_op_id < 0 or session.last_sc_op_id > 0:
        raise ValueError("an opId has the wrong sign")
    return session


def _delete_session(cursor: sqlite3.Cursor, eui: EUI) -> None:
    for table in ("session", "open_operation", "registration"):
        cursor.execute(f"DELETE FROM {table} WHERE base_station_eui = ?", (eui,))


def _replace_session(cursor: sqlite3.Cursor, session: StoredSession) -> None:
    eui = session.base_station_eui
    _delete_session(cursor, eui)
    upsert(
        cursor,
        "session",
        _SESSION,
        [tuple(getattr(session, name) for name in _SESSION)],
        key=("base_station_eui",),
    )
    _insert_operations(cursor, [(eui, op_id, message) for op_id, message in session.open_operations])


def _registrations(cursor: sqlite3.Cursor, column: str, eui: EUI) -> Iterator[tuple[EUI, Registration]]:
    """Yield the registrations of one station or sensor, each with its station."""
    rows = cursor.execute(
        f"SELECT {', '.join(_REGISTRATION)} FROM registration WHERE {column} = ? "
        "ORDER BY base_station_eui, end_point_eui",
        (eui,),
    ).fetchall()
    for station, *values in rows:
        try:
            kept = dict(zip(_REGISTRATION[1:], values, strict=True))
            registration = msgspec.convert(kept, Registration, builtin_types=(bytes,))
            parse_eui(station)
        except UNREADABLE as error:
            pass_over(cursor, "registration", (station, values[0]), error)
        else:
            yield station, registration


def _states(cursor: sqlite3.Cursor, euis: str) -> dict[EUI, dict[EUI, str]]:
    columns = ("end_point_eui", "base_station_eui", "state")
    query = (
        f"SELECT {', '.join(columns)} FROM registration "
        "WHERE end_point_eui IN (SELECT value FROM json_each(?))"
    )
    states: dict[EUI, dict[EUI, str]] = {}
    for eui, station, state in fetch_texts(cursor, query, columns, (euis,)):
        states.setdefault(EUI(eui), {})[EUI(station)] = state
    return states


def _count_registrations(cursor: sqlite3.Cursor) -> dict[EUI, dict[str, int]]:
    # The attached ones are what the others leave of all: reading each state would take ten times as long.
    # One statement, so that nothing is stored in between.
    rows = cursor.execute(
        "SELECT base_station_eui, '', COUNT(*) FROM registration GROUP BY base_station_eui UNION ALL "
        f"SELECT base_station_eui, state, COUNT(*) FROM registration WHERE {_OTHER} "
        "GROUP BY state, base_station_eui"
    ).fetchall()
    counts: dict[EUI, dict[str, int]] = {}
    for station, state, count in rows:
        counts.setdefault(station, {})[state] = count
    for by_state in counts.values():
        attached = by_state.pop("") - sum(by_state.values())
        if attached:
            by_state["attached"] = attached
    return counts
