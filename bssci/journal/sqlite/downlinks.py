"""Downlinks, their states, and the stations at which one may be left."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.records import DownlinkCounts, DownlinkPicture, Left, StoredDownlink
from bssci.journal.sqlite.core import Core, LaneChange
from bssci.journal.sqlite.damage import UNREADABLE, StoredEUI, pass_over, sound_rows
from bssci.journal.sqlite.events import ROOM, Events
from bssci.journal.sqlite.statements import Row, SqlValue, query_rows, upsert
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI, AnyEvent, Downlink

MAX_PLACED = 16
"""downlinks of one sensor at stations in a picture, at most"""
MAX_WAITING = 6
"""downlinks of one sensor that wait for a station in a picture, at most; bound and other ones each"""


_DOWNLINK = (
    "queue_id",
    "end_point_eui",
    "state",
    "priority",
    "bound",
    "place",
    "base_station_eui",
    "packet_counter",
    "due_at",
    "changed_at",
    "body",
)
_LEFT = ("base_station_eui", "queue_id", "end_point_eui")
_DELETE = (
    "DELETE FROM downlink WHERE queue_id IN (SELECT queue_id FROM downlink WHERE state <> 'queued' "
    "AND changed_at < ? AND queue_id < (SELECT MAX(queue_id) FROM downlink) LIMIT ?)"
)


class _Held(NamedTuple):
    queue_id: int
    base_station_eui: EUI


def _change_downlinks(cursor: sqlite3.Cursor, changes: list[StoredDownlink | _Held]) -> None:
    rows: dict[int, Row] = {}
    for change in changes:
        if isinstance(change, StoredDownlink):
            rows[change.downlink.queue_id] = _row(change)
        else:
            _upsert(cursor, rows)
            rows = {}
            cursor.execute(
                "UPDATE downlink SET place = 'held' "
                "WHERE queue_id = ? AND base_station_eui = ? AND place = 'asked' AND state = 'queued'",
                change,
            )
    _upsert(cursor, rows)


def _upsert(cursor: sqlite3.Cursor, rows: dict[int, Row]) -> None:
    fixed = ("end_point_eui", "priority", "bound")
    upsert(cursor, "downlink", _DOWNLINK, list(rows.values()), key=("queue_id",), fixed=fixed)


def _change_left(cursor: sqlite3.Cursor, changes: list[tuple[Left, bool]]) -> None:
    last = dict(changes)
    for left, there in last.items():
        if not there:
            cursor.execute(
                "DELETE FROM downlink_left WHERE base_station_eui = ? AND queue_id = ? AND end_point_eui = ?",
                left,
            )
    there_now: list[Row] = [left for left, there in last.items() if there]
    upsert(cursor, "downlink_left", _LEFT, there_now, key=_LEFT)


DOWNLINKS: Lane[StoredDownlink | _Held] = Lane(_change_downlinks)
LEFT: Lane[tuple[Left, bool]] = Lane(_change_left)
"""a downlink that may be left at a station, and whether that is still the case"""

_COLUMNS = "place, body"
_decoder = msgspec.msgpack.Decoder(StoredDownlink)
_encoder = msgspec.msgpack.Encoder()


class Downlinks:
    """SQLite implementation of :class:`bssci.journal.interface.Downlinks`.

    :param events: store for the events about downlinks.
    """

    def __init__(self, core: Core, events: Events) -> None:
        self._core = core
        self._events = events
        core.when_full(self._make_room)

    def store(
        self,
        downlinks: Sequence[StoredDownlink],
        events: list[AnyEvent],
        *,
        left: Iterable[Left] = (),
        not_left: Iterable[Left] = (),
        beside: Sequence[Change] = (),
    ) -> Deferred[int]:
        places = [(each, True) for each in left] + [(each, False) for each in not_left]
        changes = (LaneChange((DOWNLINKS, downlinks), (LEFT, places)), *beside)
        return self._events.append(events, beside=changes)

    def hold(self, queue_id: int, base_station_eui: EUI) -> Deferred[None]:
        return self._core.store((DOWNLINKS, [_Held(queue_id, base_station_eui)]))

    def picture(
        self,
        *,
        queue_ids: Collection[int] = (),
        answered: Collection[tuple[EUI, int]] = (),
        sensors: Collection[EUI] = (),
        stations: Collection[EUI] = (),
        limit: int,
    ) -> Deferred[DownlinkPicture]:
        return self._core.read_after_writing(
            lambda cursor: _picture(cursor, queue_ids, answered, sensors, stations, limit)
        )

    def of_sensor(self, end_point_eui: EUI, limit: int) -> Deferred[list[Downlink]]:
        query = f"SELECT {_COLUMNS} FROM downlink WHERE end_point_eui = ? ORDER BY queue_id DESC LIMIT ?"
        return self._core.read_after_writing(lambda cursor: _listed(cursor, query, (end_point_eui, limit)))

    def due(self, at: float, limit: int) -> Deferred[list[tuple[int, EUI]]]:
        query = (
            "SELECT queue_id, end_point_eui FROM downlink "
            "WHERE state = 'queued' AND due_at IS NOT NULL AND due_at <= ? ORDER BY due_at LIMIT ?"
        )
        return self._core.read(lambda cursor: cursor.execute(query, (at, limit)).fetchall())

    def shift(self, seconds: float) -> Deferred[None]:
        return self._core.change(lambda cursor: _shift(cursor, seconds))

    def sensors_at(self, base_station_eui: EUI) -> Deferred[list[EUI]]:
        query = (
            "SELECT DISTINCT end_point_eui FROM downlink "
            "WHERE state = 'queued' AND place <> '' AND base_station_eui = ?"
        )
        return self._core.read_after_writing(
            lambda cursor: [eui for (eui,) in cursor.execute(query, (base_station_eui,)).fetchall()]
        )

    def unacknowledged(self, since: float, limit: int) -> Deferred[list[Downlink]]:
        query = (
            f"SELECT {_COLUMNS} FROM downlink INDEXED BY downlink_sent WHERE state = 'sent' "
            "AND changed_at >= ? ORDER BY queue_id DESC LIMIT ?"
        )
        return self._core.read(lambda cursor: _listed(cursor, query, (since, limit)))

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        return self._core.change(
            lambda cursor: cursor.execute(_DELETE, (before_at, limit)).rowcount, after=()
        )

    def _make_room(self, cursor: sqlite3.Cursor) -> int:
        """Delete downlinks that ended before all delivered events; return their number."""
        return cursor.execute(_DELETE, (self._events.history_begins(cursor), ROOM)).rowcount


def _shift(cursor: sqlite3.Cursor, seconds: float) -> None:
    queued = cursor.execute(f"SELECT {_COLUMNS} FROM downlink WHERE state = 'queued'").fetchall()
    moved = (_moved(stored, seconds) for stored in _readable(cursor, queued))
    _upsert(cursor, {stored.downlink.queue_id: _row(stored) for stored in moved})


def _moved(stored: StoredDownlink, seconds: float) -> StoredDownlink:
    def later(at: float | None) -> float | None:
        return at and at + seconds

    downlink = msgspec.structs.replace(stored.downlink, expires_at=later(stored.downlink.expires_at))
    return msgspec.structs.replace(
        stored,
        downlink=downlink,
        placed_at=later(stored.placed_at),
        not_before=later(stored.not_before),
        due_at=later(stored.due_at),
    )


def _listed(cursor: sqlite3.Cursor, query: str, values: tuple[SqlValue, ...]) -> list[Downlink]:
    return [stored.downlink for stored in _readable(cursor, cursor.execute(query, values).fetchall())]


def _row(stored: StoredDownlink) -> Row:
    downlink = stored.downlink
    return (
        downlink.queue_id,
        downlink.request.end_point_eui,
        downlink.state,
        downlink.request.priority,
        downlink.request.is_bound,
        stored.place,
        downlink.base_station_eui,
        downlink.packet_counter,
        stored.due_at,
        downlink.changed_at,
        _encoder.encode(stored),
    )


def _readable(cursor: sqlite3.Cursor, rows: Iterable[Any]) -> Iterator[StoredDownlink]:
    """Yield the downlinks of (place, body) rows, skipping unreadable ones."""
    for place, body in rows:
        try:
            stored = _decoder.decode(body)
        except UNREADABLE as error:
            pass_over(cursor, "downlink", place, error)
        else:
            yield stored if stored.place == place else msgspec.structs.replace(stored, place=place)


def count_downlinks(cursor: sqlite3.Cursor) -> DownlinkCounts:
    """Return which sensors and stations have downlinks."""
    queued = cursor.execute(
        "SELECT end_point_eui, COUNT(*) FROM downlink WHERE state = 'queued' GROUP BY end_point_eui"
    ).fetchall()
    bound = cursor.execute(
        "SELECT DISTINCT end_point_eui FROM downlink WHERE state = 'queued' AND bound = 1"
    ).fetchall()
    # Without the hint, SQLite goes through the downlinks of all sensors.
    sent = cursor.execute(
        "SELECT DISTINCT end_point_eui FROM downlink INDEXED BY downlink_sent WHERE state = 'sent'"
    ).fetchall()
    stations = cursor.execute(
        "SELECT DISTINCT base_station_eui FROM downlink WHERE state = 'queued' AND place <> ''"
    ).fetchall()
    last = cursor.execute("SELECT COALESCE(MAX(queue_id), 0) FROM downlink").fetchone()[0]
    return DownlinkCounts(
        queued=dict(sound_rows(cursor, "downlink", queued, tuple[StoredEUI, int])),
        bound=_euis(cursor, bound),
        sent=_euis(cursor, sent),
        stations=_euis(cursor, stations),
        last_queue_id=int(last),
    )


def _euis(cursor: sqlite3.Cursor, rows: Iterable[tuple[object]]) -> set[EUI]:
    return {eui for (eui,) in sound_rows(cursor, "downlink", rows, tuple[StoredEUI])}


def _picture(
    cursor: sqlite3.Cursor,
    queue_ids: Collection[int],
    answered: Collection[tuple[EUI, int]],
    sensors: Collection[EUI],
    stations: Collection[EUI],
    limit: int,
) -> DownlinkPicture:
    named = _readable(cursor, _named(cursor, queue_ids, answered))
    return DownlinkPicture(
        named={stored.downlink.queue_id: stored for stored in named},
        queued={eui: list(_readable(cursor, _queued(cursor, eui))) for eui in sensors},
        attached_at=_attached_at(cursor, sensors),
        left=_left(cursor, sensors, stations, limit),
    )


def _named(
    cursor: sqlite3.Cursor, queue_ids: Collection[int], answered: Collection[tuple[EUI, int]]
) -> list[Any]:
    rows = query_rows(
        cursor,
        f"SELECT {_COLUMNS} FROM downlink WHERE queue_id IN (VALUES {{rows}})",
        [(queue_id,) for queue_id in queue_ids],
    )
    return rows + query_rows(
        cursor,
        f"WITH wanted (eui, counter) AS (VALUES {{rows}}) SELECT {_COLUMNS} FROM wanted JOIN downlink "
        "ON end_point_eui = eui AND packet_counter = counter",
        list(answered),
    )


def _attached_at(cursor: sqlite3.Cursor, sensors: Collection[EUI]) -> dict[tuple[EUI, EUI], float]:
    rows = query_rows(
        cursor,
        "SELECT base_station_eui, end_point_eui, at FROM registration "
        "WHERE end_point_eui IN (VALUES {rows}) AND state = 'attached'",
        [(eui,) for eui in sensors],
    )
    sound = sound_rows(cursor, "registration", rows, tuple[StoredEUI, StoredEUI, float])
    return {(station, eui): at for station, eui, at in sound}


def _left(
    cursor: sqlite3.Cursor, sensors: Collection[EUI], stations: Collection[EUI], limit: int
) -> list[Left]:
    query = "SELECT base_station_eui, queue_id, end_point_eui FROM downlink_left WHERE "
    rows = query_rows(cursor, query + "end_point_eui IN (VALUES {rows})", [(eui,) for eui in sensors])
    for station in stations:
        rows += cursor.execute(query + "base_station_eui = ? LIMIT ?", (station, limit)).fetchall()
    sound = sound_rows(cursor, "downlink_left", dict.fromkeys(rows), tuple[StoredEUI, int, StoredEUI])
    return [Left(*row) for row in sound]


def _queued(cursor: sqlite3.Cursor, eui: EUI) -> list[Any]:
    queued = f"SELECT {_COLUMNS} FROM downlink WHERE state = 'queued' AND end_point_eui = ? "
    placed = cursor.execute(
        queued + "AND place IN ('asked', 'held', 'revoking') ORDER BY queue_id LIMIT ?", (eui, MAX_PLACED)
    ).fetchall()
    found = placed
    for bound in (0, 1):
        # In two queries, so that many that wait for certain uplinks do not hide the others.
        found += cursor.execute(
            queued + "AND place = '' AND bound = ? ORDER BY priority DESC, queue_id LIMIT ?",
            (eui, bound, MAX_WAITING),
        ).fetchall()
    return found
