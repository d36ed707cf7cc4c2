"""Queries about the past: of one sensor, device or station, and a search through all events."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.interface import Numbered
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.events import READ_BYTES, select_best_receptions, select_uplinks
from bssci.journal.sqlite.statements import SqlValue, fetch_numbers, query_bodies
from bssci.journal.sqlite.uplink_keys import UplinkKeys, newest_of_sensor
from bssci.journal.sqlite.worker import Lane
from bssci.model import (
    EUI,
    AnyEvent,
    Reception,
    StationStatus,
    Telegram,
    Uplink,
    VariableMacUplink,
    decode_event,
)

SCAN = 20_000
"""events that one search goes through, at most"""
_TELEGRAMS = ("telegram", "variable-mac-uplink")
_NEWEST = 1 << 62

T = TypeVar("T")

_reception = msgspec.msgpack.Decoder(Reception)


class History:
    """SQLite implementation of :class:`bssci.journal.interface.History`.

    :param keys: index of the uplinks, which belongs to the writing thread.
    :param events: the lane of events, whose earlier submissions a query of the index must see.
    """

    def __init__(self, core: Core, keys: UplinkKeys, events: Lane[Any]) -> None:
        self._core = core
        self._keys = keys
        self._events = events

    def uplinks_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Uplink]]]:
        return self._of_sensor(eui, before or _NEWEST, limit, select_uplinks)

    def receptions_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Reception]]]:
        return self._of_sensor(eui, before or _NEWEST, limit, select_best_receptions)

    def _of_sensor(
        self, eui: EUI, before: int, limit: int, select: Callable[[sqlite3.Cursor, list[int]], list[T]]
    ) -> Deferred[list[T]]:
        recent = self._core.change(lambda cursor: self._keys.recent(eui), after=(self._events,))
        # A key that is written to disk meanwhile is found twice, but none is missed.
        return recent.addCallback(
            lambda seqs: self._core.look_back(
                lambda cursor: select(cursor, newest_of_sensor(cursor, seqs, eui, before, limit))
            )
        )

    def telegrams_of_device(
        self, device: str, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Telegram | VariableMacUplink]]]:
        found = self._core.look_back(
            lambda cursor: _of_one(cursor, "end_point_eui", device, before, limit, _TELEGRAMS)
        )
        return found.addCallback(
            lambda events: [
                (seq, event) for seq, event in events if isinstance(event, Telegram | VariableMacUplink)
            ]
        )

    def events_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        return self._core.look_back(
            lambda cursor: _of_one(cursor, "end_point_eui", eui, before, limit, kinds)
        )

    def events_of_station(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        return self._core.look_back(
            lambda cursor: _of_one(cursor, "base_station_eui", eui, before, limit, kinds)
        )

    def look_back(
        self,
        *,
        before: int | None,
        limit: int,
        kinds: Collection[str] = (),
        sensor: EUI | None = None,
        station: EUI | None = None,
    ) -> Deferred[tuple[Numbered, int]]:
        return self._core.look_back(
            lambda cursor: _look_back(cursor, before or _NEWEST, limit, kinds, sensor, station)
        )

    def event(self, seq: int) -> Deferred[AnyEvent | None]:
        return self._core.look_back(lambda cursor: dict(_events(cursor, [seq])).get(seq))

    def late_copies(self, seq: int) -> Deferred[list[Reception]]:
        query = "SELECT body FROM late_copy WHERE event_seq = ? LIMIT 100"
        return self._core.look_back(lambda cursor: _receptions(cursor, query, seq))


def _receptions(cursor: sqlite3.Cursor, query: str, seq: int) -> list[Reception]:
    found = []
    for (body,) in cursor.execute(query, (seq,)).fetchall():
        try:
            found.append(_reception.decode(body))
        except UNREADABLE as error:
            pass_over(cursor, "late_copy", seq, error)
    return found


def last_status(cursor: sqlite3.Cursor, station: EUI) -> StationStatus | None:
    """Return the last status that a station reported; None if there is none."""
    found = _of_one(cursor, "base_station_eui", station, None, 1, ("station-status",))
    return next((event for _, event in found if isinstance(event, StationStatus)), None)


def _of_one(
    cursor: sqlite3.Cursor, column: str, eui: str, before: int | None, limit: int, kinds: Collection[str]
) -> Numbered:
    only = f"AND kind IN ({', '.join('?' * len(kinds))}) " if kinds else ""
    query = (
        f"SELECT seq FROM event WHERE kind <> 'uplink' AND {column} = ? AND seq < ? {only}"
        "ORDER BY seq DESC LIMIT ?"
    )
    return _events(cursor, fetch_numbers(cursor, query, (eui, before or _NEWEST, *kinds, limit)))


def _look_back(
    cursor: sqlite3.Cursor,
    before: int,
    limit: int,
    kinds: Collection[str],
    sensor: EUI | None,
    station: EUI | None,
) -> tuple[Numbered, int]:
    wanted: list[str] = []
    values: list[SqlValue] = []
    if kinds:
        wanted.append(f"kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    for column, eui in (("end_point_eui", sensor), ("base_station_eui", station)):
        if eui:
            wanted.append(f"{column} = ?")
            values.append(eui)
    part = (
        "SELECT seq, kind, end_point_eui, base_station_eui FROM event WHERE seq < ? ORDER BY seq DESC LIMIT ?"
    )
    where = " AND ".join(wanted) or "TRUE"
    query = f"SELECT seq FROM ({part}) WHERE {where} ORDER BY seq DESC LIMIT ?"
    found = sorted(fetch_numbers(cursor, query, (before, SCAN, *values, limit)), reverse=True)
    fitting = _that_fit(cursor, found)
    if len(found) == limit or len(fitting) < len(found):
        return _events(cursor, fitting), fitting[-1]
    seen, last = cursor.execute(
        f"SELECT COUNT(*), COALESCE(MIN(seq), 0) FROM ({part})", (before, SCAN)
    ).fetchone()
    return _events(cursor, found), 0 if seen < SCAN else last


def _that_fit(cursor: sqlite3.Cursor, numbers: list[int]) -> list[int]:
    """Return the first of some events, as many as one read may hold."""
    seqs, lengths = cursor.execute(
        "SELECT group_concat(seq), group_concat(COALESCE(length(body), 0)) FROM event WHERE seq IN "
        "(SELECT value FROM json_each(?))",
        (f"[{','.join(map(str, numbers))}]",),
    ).fetchone()
    if seqs is None:
        return numbers
    sizes = dict(zip(map(int, seqs.split(",")), map(int, lengths.split(",")), strict=True))
    room = READ_BYTES
    for position, number in enumerate(numbers):
        room -= sizes.get(number, 0)
        if room < 0:
            return numbers[: max(1, position)]
    return numbers


def _events(cursor: sqlite3.Cursor, numbers: list[int]) -> Numbered:
    rows = query_bodies(cursor, "SELECT seq, body FROM event WHERE seq IN ({numbers})", numbers)
    events: Numbered = []
    for seq, body in sorted(rows, reverse=True):
        try:
            events.append((seq, decode_event(body)))
        except UNREADABLE as error:
            pass_over(cursor, "event", seq, error)
    return events
