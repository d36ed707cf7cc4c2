"""Questions about what happened: the past of one sensor or station, and a look back through all events.

All read beside the writer, so that nobody waits for a commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import query_rows
from bssci.model import EUI, AnyEvent, StationStatus, decode_event

log = Logger()

SCAN = 20_000
"""events that one look back goes through, at most"""
_NEWEST = 1 << 62

Numbered = list[tuple[int, AnyEvent]]


class History(Core):
    """Part of the journal: the past. All lists are newest first and of bounded length."""

    def events_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """What happened to a sensor beside its uplinks."""
        return self.read(lambda cursor: _of_one(cursor, "end_point_eui", eui, before, limit, kinds))

    def events_of_station(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """What a station reported, and its comings and goings."""
        return self.read(lambda cursor: _of_one(cursor, "base_station_eui", eui, before, limit, kinds))

    def last_status(self, station: EUI) -> StationStatus | None:
        """What a station reported last; blocking: for the start."""
        found = self._read_now(
            lambda cursor: _of_one(cursor, "base_station_eui", station, None, 1, ("station-status",))
        )
        return next((event for _, event in found if isinstance(event, StationStatus)), None)

    def look_back(
        self,
        *,
        before: int | None,
        limit: int,
        kinds: Collection[str] = (),
        sensor: EUI | None = None,
        station: EUI | None = None,
    ) -> Deferred[tuple[Numbered, int]]:
        """Events of any kind, and the number before which to go on looking (0: there is nothing before)."""
        return self.read(lambda cursor: _look_back(cursor, before or _NEWEST, limit, kinds, sensor, station))

    def event(self, seq: int) -> Deferred[AnyEvent | None]:
        """One event by its number."""
        return self.read(lambda cursor: dict(_events(cursor, [seq])).get(seq))

    def late_copies(self, seq: int) -> Deferred[list[Any]]:
        """Receptions of an uplink that came after it was published, as the arrays they are stored as."""
        query = "SELECT body FROM late_copy WHERE event_seq = ? LIMIT 100"
        return self.read(
            lambda cursor: [msgspec.msgpack.decode(body) for (body,) in cursor.execute(query, (seq,))]
        )

    def registration_states(self, euis: Iterable[EUI]) -> Deferred[dict[EUI, dict[EUI, str]]]:
        """The state of some sensors at each base station that was told of them."""
        wanted = [(eui,) for eui in euis]
        return self.read(
            lambda cursor: _by_sensor(
                query_rows(
                    cursor,
                    "SELECT end_point_eui, base_station_eui, state FROM registration "
                    "WHERE end_point_eui IN (VALUES {rows})",
                    wanted,
                )
            )
        )

    def sensors_with_refusals(self) -> Deferred[set[EUI]]:
        """Sensors that some station refused."""
        query = "SELECT DISTINCT end_point_eui FROM registration WHERE state = 'refused'"
        return self.read(lambda cursor: {eui for (eui,) in cursor.execute(query).fetchall()})


def _by_sensor(rows: list[Any]) -> dict[EUI, dict[EUI, str]]:
    states: dict[EUI, dict[EUI, str]] = {}
    for eui, station, state in rows:
        states.setdefault(eui, {})[station] = state
    return states


def _numbers(cursor: sqlite3.Cursor, query: str, values: tuple[Any, ...]) -> list[int]:
    return [seq for (seq,) in cursor.execute(query, values).fetchall()]


def _of_one(
    cursor: sqlite3.Cursor, column: str, eui: EUI, before: int | None, limit: int, kinds: Collection[str]
) -> Numbered:
    only = f"AND kind IN ({', '.join('?' * len(kinds))}) " if kinds else ""
    query = (
        f"SELECT seq FROM event WHERE kind <> 'uplink' AND {column} = ? AND seq < ? {only}"
        "ORDER BY seq DESC LIMIT ?"
    )
    return _events(cursor, _numbers(cursor, query, (eui, before or _NEWEST, *kinds, limit)))


def _look_back(
    cursor: sqlite3.Cursor,
    before: int,
    limit: int,
    kinds: Collection[str],
    sensor: EUI | None,
    station: EUI | None,
) -> tuple[Numbered, int]:
    rows = cursor.execute(
        "SELECT seq, kind, end_point_eui, base_station_eui FROM event "
        "WHERE seq < ? ORDER BY seq DESC LIMIT ?",
        (before, SCAN),
    )
    found: list[int] = []
    seen, seq = 0, 0
    for seq, kind, end_point_eui, base_station_eui in rows:
        seen += 1
        if kinds and kind not in kinds:
            continue
        if (sensor and end_point_eui != sensor) or (station and base_station_eui != station):
            continue
        found.append(seq)
        if len(found) == limit:
            break
    is_over = seen < SCAN and len(found) < limit
    return _events(cursor, found), 0 if is_over else seq


def _events(cursor: sqlite3.Cursor, numbers: list[int]) -> Numbered:
    rows = query_rows(
        cursor, "SELECT seq, body FROM event WHERE seq IN (VALUES {rows})", [(seq,) for seq in numbers]
    )
    events: Numbered = []
    for seq, body in sorted(rows, reverse=True):
        try:
            events.append((seq, decode_event(body)))
        except msgspec.DecodeError as error:
            log.error("event {seq} is not readable: {error}", seq=seq, error=error)
    return events
