"""Downlinks: what was asked for, how far each is, and at which stations one may have been left."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.journal.sqlite.events import Events
from bssci.journal.sqlite.statements import Row, execute_rows, query_rows
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI, AnyEvent, Downlink

log = Logger()

Place = Literal["", "asked", "held", "revoking"]

MAX_PLACED = 16
"""downlinks of one sensor at stations that a picture shows"""
MAX_WAITING = 6
"""downlinks of one sensor that wait for a station, of either kind, which it shows"""


class StoredDownlink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A downlink, and where a queued one lies."""

    downlink: Downlink
    place: Place = ""
    """"" waits here; at ``downlink.base_station_eui`` otherwise"""
    then: Literal["", "revoked", "expired"] = ""
    """what becomes of it as soon as no station holds it; "" = it goes on"""
    session: bytes = b""
    """our identifier of the session in which it was placed"""
    placed_at: float = 0.0
    """Unix seconds"""
    not_before: float = 0.0
    """Unix seconds: it waits here until then"""
    due_at: float | None = None
    """Unix seconds: when it must be looked at again"""


class Left(NamedTuple):
    """A downlink may lie at a station, from which it is to be revoked."""

    base_station_eui: EUI
    queue_id: int
    end_point_eui: EUI


class _Held(NamedTuple):
    queue_id: int
    base_station_eui: EUI


@dataclass(slots=True)
class DownlinkPicture:
    """What is known of the downlinks that were asked for, at one moment."""

    named: dict[int, StoredDownlink] = field(default_factory=dict)
    """those that were named by queue id, or by the uplink that they answered"""
    queued: dict[EUI, list[StoredDownlink]] = field(default_factory=dict)
    """of each sensor: those at stations, then those that are next, in order"""
    attached_at: dict[tuple[EUI, EUI], float] = field(default_factory=dict)
    """(station, sensor) that is attached there: since when, in Unix seconds"""
    left: list[Left] = field(default_factory=list)
    """of the sensors and stations that were asked for"""


class DownlinkCounts(NamedTuple):
    """What the start needs."""

    queued: dict[EUI, int]
    bound: set[EUI]
    """sensors with a queued one for certain counters"""
    sent: set[EUI]
    """sensors with a downlink that was sent and not acknowledged"""
    stations: set[EUI]
    """at which queued ones lie"""
    last_queue_id: int


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
    execute_rows(
        cursor,
        "INSERT INTO downlink (queue_id, end_point_eui, state, priority, bound, place, base_station_eui, "
        "packet_counter, due_at, changed_at, body) VALUES {rows} ON CONFLICT (queue_id) DO UPDATE SET "
        "state = excluded.state, place = excluded.place, base_station_eui = excluded.base_station_eui, "
        "packet_counter = excluded.packet_counter, due_at = excluded.due_at, "
        "changed_at = excluded.changed_at, body = excluded.body",
        list(rows.values()),
    )


def _change_left(cursor: sqlite3.Cursor, changes: list[tuple[Left, bool]]) -> None:
    last = dict(changes)
    for left, there in last.items():
        if not there:
            cursor.execute(
                "DELETE FROM downlink_left WHERE base_station_eui = ? AND queue_id = ? AND end_point_eui = ?",
                left,
            )
    execute_rows(
        cursor,
        "INSERT INTO downlink_left (base_station_eui, queue_id, end_point_eui) VALUES {rows} "
        "ON CONFLICT DO NOTHING",
        [left for left, there in last.items() if there],
    )


DOWNLINKS: Lane[StoredDownlink | _Held] = Lane(_change_downlinks)
LEFT: Lane[tuple[Left, bool]] = Lane(_change_left)
"""A downlink that may lie somewhere, and whether that is still so."""

_COLUMNS = "place, body"
_decoder = msgspec.msgpack.Decoder(StoredDownlink)
_encoder = msgspec.msgpack.Encoder()


class Downlinks(Events):
    """Part of the journal: downlinks."""

    def load_downlink_counts(self) -> DownlinkCounts:
        """For the start."""
        return self._read_now(_counts)

    def store_downlinks(
        self,
        downlinks: Sequence[StoredDownlink],
        events: list[AnyEvent],
        *,
        left: Iterable[Left] = (),
        not_left: Iterable[Left] = (),
    ) -> Deferred[int]:
        """Store downlinks, events that tell of them, and where they may lie, in one commit.

        :param left: may lie there from now on.
        :param not_left: do not any more.
        """
        places = [(each, True) for each in left] + [(each, False) for each in not_left]
        return self.append_events(events, beside=((DOWNLINKS, downlinks), (LEFT, places)))

    def hold_downlink(self, queue_id: int, base_station_eui: EUI) -> Deferred[None]:
        """The station has taken the downlink that it was asked to take; nothing if that is history."""
        return self._rows(DOWNLINKS, [_Held(queue_id, base_station_eui)])

    def picture_downlinks(
        self,
        *,
        queue_ids: Collection[int] = (),
        answered: Collection[tuple[EUI, int]] = (),
        sensors: Collection[EUI] = (),
        stations: Collection[EUI] = (),
        limit: int,
    ) -> Deferred[DownlinkPicture]:
        """Everything about some downlinks, sensors and stations, including what was submitted before.

        :param answered: (sensor, packet counter) of uplinks that sent downlinks answered.
        :param limit: how many that were left at each of the stations are shown.
        """
        return self._read_after_writing(
            lambda cursor: _picture(cursor, queue_ids, answered, sensors, stations, limit)
        )

    def downlinks_of(self, end_point_eui: EUI, limit: int) -> Deferred[list[Downlink]]:
        """The newest downlinks of a sensor, newest first."""
        query = f"SELECT {_COLUMNS} FROM downlink WHERE end_point_eui = ? ORDER BY queue_id DESC LIMIT ?"
        return self._read_after_writing(
            lambda cursor: [
                stored.downlink
                for stored in _readable(cursor.execute(query, (end_point_eui, limit)).fetchall())
            ]
        )

    def due_downlinks(self, at: float, limit: int) -> Deferred[list[tuple[int, EUI]]]:
        """(queue id, sensor) of queued downlinks that must be looked at by then, the earliest first."""
        query = (
            "SELECT queue_id, end_point_eui FROM downlink "
            "WHERE state = 'queued' AND due_at IS NOT NULL AND due_at <= ? ORDER BY due_at LIMIT ?"
        )
        return self.read(lambda cursor: cursor.execute(query, (at, limit)).fetchall())

    def sensors_with_downlinks_at(self, base_station_eui: EUI) -> Deferred[list[EUI]]:
        """Sensors of which a queued downlink lies, or may lie, at a station."""
        query = (
            "SELECT DISTINCT end_point_eui FROM downlink "
            "WHERE state = 'queued' AND place <> '' AND base_station_eui = ?"
        )
        return self._read_after_writing(
            lambda cursor: [eui for (eui,) in cursor.execute(query, (base_station_eui,)).fetchall()]
        )

    def unacknowledged_downlinks(self, since: float, limit: int) -> Deferred[list[Downlink]]:
        """Those that were sent since then (Unix seconds) and not acknowledged, the newest first."""
        query = (
            f"SELECT {_COLUMNS} FROM downlink WHERE state = 'sent' AND changed_at >= ? "
            "ORDER BY queue_id DESC LIMIT ?"
        )
        return self.read(
            lambda cursor: [
                stored.downlink for stored in _readable(cursor.execute(query, (since, limit)).fetchall())
            ]
        )

    def trim_downlinks(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        """Forget downlinks that are over since before then; fires with how many.

        The newest stays, so that no queue id is given twice.
        """
        query = (
            "DELETE FROM downlink WHERE queue_id IN (SELECT queue_id FROM downlink WHERE state <> 'queued' "
            "AND changed_at < ? AND queue_id < (SELECT MAX(queue_id) FROM downlink) LIMIT ?)"
        )
        return self._change(lambda cursor: cursor.execute(query, (before_at, limit)).rowcount, after=())


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


def _readable(rows: Iterable[Any]) -> Iterator[StoredDownlink]:
    """The downlinks of (place, body) rows; one that cannot be read is passed over."""
    for place, body in rows:
        try:
            stored = _decoder.decode(body)
        except msgspec.DecodeError as error:
            log.error("a downlink is not readable: {error}", error=error)
        else:
            yield stored if stored.place == place else msgspec.structs.replace(stored, place=place)


def _counts(cursor: sqlite3.Cursor) -> DownlinkCounts:
    queued = cursor.execute(
        "SELECT end_point_eui, COUNT(*) FROM downlink WHERE state = 'queued' GROUP BY end_point_eui"
    ).fetchall()
    bound = cursor.execute(
        "SELECT DISTINCT end_point_eui FROM downlink WHERE state = 'queued' AND bound = 1"
    ).fetchall()
    sent = cursor.execute("SELECT DISTINCT end_point_eui FROM downlink WHERE state = 'sent'").fetchall()
    stations = cursor.execute(
        "SELECT DISTINCT base_station_eui FROM downlink WHERE state = 'queued' AND place <> ''"
    ).fetchall()
    last = cursor.execute("SELECT COALESCE(MAX(queue_id), 0) FROM downlink").fetchone()[0]
    return DownlinkCounts(
        queued=dict(queued),
        bound={eui for (eui,) in bound},
        sent={eui for (eui,) in sent},
        stations={eui for (eui,) in stations},
        last_queue_id=int(last),
    )


def _picture(
    cursor: sqlite3.Cursor,
    queue_ids: Collection[int],
    answered: Collection[tuple[EUI, int]],
    sensors: Collection[EUI],
    stations: Collection[EUI],
    limit: int,
) -> DownlinkPicture:
    picture = DownlinkPicture()
    rows = query_rows(
        cursor,
        f"SELECT {_COLUMNS} FROM downlink WHERE queue_id IN (VALUES {{rows}})",
        [(queue_id,) for queue_id in queue_ids],
    )
    rows += query_rows(
        cursor,
        f"WITH wanted (eui, counter) AS (VALUES {{rows}}) SELECT {_COLUMNS} FROM wanted JOIN downlink "
        "ON end_point_eui = eui AND packet_counter = counter",
        list(answered),
    )
    for stored in _readable(rows):
        picture.named[stored.downlink.queue_id] = stored
    for eui in sensors:
        picture.queued[eui] = list(_readable(_queued(cursor, eui)))
    each_sensor = [(eui,) for eui in sensors]
    for station, eui, at in query_rows(
        cursor,
        "SELECT base_station_eui, end_point_eui, at FROM registration "
        "WHERE end_point_eui IN (VALUES {rows}) AND state = 'attached'",
        each_sensor,
    ):
        picture.attached_at[station, eui] = at
    left = "SELECT base_station_eui, queue_id, end_point_eui FROM downlink_left WHERE "
    found = query_rows(cursor, left + "end_point_eui IN (VALUES {rows})", each_sensor)
    for station in stations:
        found += cursor.execute(left + "base_station_eui = ? LIMIT ?", (station, limit)).fetchall()
    picture.left = [Left(*row) for row in dict.fromkeys(found)]
    return picture


def _queued(cursor: sqlite3.Cursor, eui: EUI) -> list[Any]:
    queued = f"SELECT {_COLUMNS} FROM downlink WHERE state = 'queued' AND end_point_eui = ? "
    placed = cursor.execute(
        queued + "AND place IN ('asked', 'held', 'revoking') ORDER BY queue_id LIMIT ?", (eui, MAX_PLACED)
    ).fetchall()
    found = placed
    for bound in (0, 1):
        # Each by itself, so that many which wait for certain uplinks do not hide the others.
        found += cursor.execute(
            queued + "AND place = '' AND bound = ? ORDER BY priority DESC, queue_id LIMIT ?",
            (eui, bound, MAX_WAITING),
        ).fetchall()
    return found
