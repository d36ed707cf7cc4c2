"""Known base stations, sensors' activity, sinks' cursors and facts about this installation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.records import Activity, StationRecord
from bssci.journal.sqlite.checkpoints import ACTIVITY, find_checkpoint, move_checkpoint
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import Row, execute_rows
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI

_STATION = (
    "base_station_eui",
    "first_seen_at",
    "last_seen_at",
    "vendor",
    "model",
    "name",
    "software_version",
    "info",
    "address",
    "certificate",
    "reason",
)
"""columns, named as the fields of a :class:`StationRecord`; the first two never change"""

_decoder = msgspec.msgpack.Decoder(dict[str, object])


def _store_stations(cursor: sqlite3.Cursor, records: list[StationRecord]) -> None:
    last = {record.base_station_eui: record for record in records}
    changing = ", ".join(f"{name} = excluded.{name}" for name in _STATION[2:])
    execute_rows(
        cursor,
        f"INSERT INTO station ({', '.join(_STATION)}) VALUES {{rows}} "
        f"ON CONFLICT (base_station_eui) DO UPDATE SET {changing}",
        [_station_row(record) for record in last.values()],
    )


def _move_cursors(cursor: sqlite3.Cursor, moves: list[tuple[str, int]]) -> None:
    execute_rows(
        cursor,
        "INSERT INTO sink_cursor (name, seq) VALUES {rows} "
        "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
        list(dict(moves).items()),
    )


def _set_settings(cursor: sqlite3.Cursor, settings: list[tuple[str, str]]) -> None:
    execute_rows(
        cursor,
        "INSERT INTO setting (name, value) VALUES {rows} "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        list(dict(settings).items()),
    )


STATIONS: Lane[StationRecord] = Lane(_store_stations)
CURSORS: Lane[tuple[str, int]] = Lane(_move_cursors)
SETTINGS: Lane[tuple[str, str]] = Lane(_set_settings)


class Facts(Core):
    """Part of the journal: stations, activity, cursors and settings. What loads, loads for the start."""

    def load_stations(self) -> list[StationRecord]:
        """Every base station that ever was here."""
        return self._read_now(_select_stations)

    def store_station(self, record: StationRecord) -> Deferred[None]:
        """Store what is known of a base station. When it was first seen is kept from the first time."""
        return self._rows(STATIONS, [record])

    def load_activity(self) -> dict[EUI, Activity]:
        """The activity of every sensor that ever was heard, up to the newest event."""
        return self._read_now(_select_activity)

    def store_activity(self, activities: Iterable[Activity], checkpoint_seq: int) -> Deferred[None]:
        """Store the activity of the sensors for which it has changed.

        :param checkpoint_seq: the last event that is counted in, of all sensors.
        """
        rows: list[Row] = [
            (a.end_point_eui, a.last_seen_at, a.packet_counter, a.uplink_count) for a in activities
        ]
        return self._change(lambda cursor: _store_activity(cursor, rows, checkpoint_seq), after=())

    def load_cursors(self) -> dict[str, int]:
        """The last event that each sink has delivered."""
        query = "SELECT name, seq FROM sink_cursor"
        return dict(self._read_now(lambda cursor: cursor.execute(query).fetchall()))

    def move_cursor(self, name: str, seq: int) -> Deferred[None]:
        """Store the last event that a sink has delivered."""
        return self._rows(CURSORS, [(name, seq)])

    def get_setting(self, name: str) -> str | None:
        """A fact about this installation, or None if it was never set."""
        query = "SELECT value FROM setting WHERE name = ?"
        row = self._read_now(lambda cursor: cursor.execute(query, (name,)).fetchone())
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> Deferred[None]:
        """Store a fact about this installation."""
        return self._rows(SETTINGS, [(name, value)])


def _station_row(record: StationRecord) -> Row:
    info = None if record.info is None else msgspec.msgpack.encode(record.info)
    return tuple(info if name == "info" else getattr(record, name) for name in _STATION)


def _select_stations(cursor: sqlite3.Cursor) -> list[StationRecord]:
    rows = cursor.execute(f"SELECT {', '.join(_STATION)} FROM station ORDER BY base_station_eui").fetchall()
    found = [dict(zip(_STATION, row, strict=True)) for row in rows]
    return [
        StationRecord(**each | {"info": each["info"] and _decoder.decode(each["info"])}) for each in found
    ]


def _select_activity(cursor: sqlite3.Cursor) -> dict[EUI, Activity]:
    rows = cursor.execute(
        "SELECT end_point_eui, MAX(last_seen_at), MAX(packet_counter), SUM(uplink_count) FROM ("
        "SELECT end_point_eui, last_seen_at, packet_counter, uplink_count FROM sensor_activity "
        "UNION ALL "
        "SELECT end_point_eui, at, packet_counter, 1 FROM event WHERE kind = 'uplink' "
        "AND seq > ?) AS every GROUP BY end_point_eui",
        (find_checkpoint(cursor, ACTIVITY) or 0,),
    ).fetchall()
    return {
        eui: Activity(
            end_point_eui=eui, last_seen_at=last_seen_at, packet_counter=counter, uplink_count=int(count)
        )
        for eui, last_seen_at, counter, count in rows
    }


def _store_activity(cursor: sqlite3.Cursor, rows: list[Row], checkpoint_seq: int) -> None:
    execute_rows(
        cursor,
        "INSERT INTO sensor_activity (end_point_eui, last_seen_at, packet_counter, uplink_count) "
        "VALUES {rows} "
        "ON CONFLICT (end_point_eui) DO UPDATE SET last_seen_at = excluded.last_seen_at, "
        "packet_counter = excluded.packet_counter, uplink_count = excluded.uplink_count",
        rows,
    )
    move_checkpoint(cursor, ACTIVITY, checkpoint_seq)
