"""Loading of everything that the service needs at its start."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from bssci.journal.kept import (
    Activity,
    AlarmRecord,
    Attachment,
    DeviceRecord,
    Fact,
    GatewayRecord,
    ListeningRecord,
    LiveSession,
    PathRecord,
    RefusedConnection,
    Replay,
    Silence,
    StationEntry,
    StationRecord,
    TelegramKey,
    UnknownRecord,
)
from bssci.journal.records import Loaded
from bssci.journal.sqlite.checkpoints import find_checkpoint
from bssci.journal.sqlite.cursors import load_cursors
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.downlinks import count_downlinks
from bssci.journal.sqlite.events import last_seq
from bssci.journal.sqlite.history import last_status
from bssci.journal.sqlite.inbox import load_receptions
from bssci.journal.sqlite.requests import load_requests
from bssci.journal.sqlite.sessions import load_sessions
from bssci.journal.sqlite.tables import TABLES
from bssci.model import EUI
from bssci.model.eui import parse_eui

MAX_COUNTER = (1 << 32) - 1
"""largest packet counter of an uplink"""
MAX_COUNT = 1 << 53
MAX_TIME = 1e11
"""Unix seconds; in the year 5138"""
Number = TypeVar("Number", int, float)


def load(cursor: sqlite3.Cursor) -> Loaded:
    """Return everything that the service needs at its start."""
    stations = TABLES[StationRecord].load(cursor)
    statuses = {eui: last_status(cursor, eui) for eui in stations}
    return Loaded(
        stations=stations,
        statuses={eui: status for eui, status in statuses.items() if status is not None},
        sessions=load_sessions(cursor),
        attachments=TABLES[Attachment].load(cursor),
        activities=_activities(cursor),
        silences=TABLES[Silence].load(cursor),
        paths=TABLES[PathRecord].load(cursor),
        paths_seq=_paths_seq(cursor),
        listening=TABLES[ListeningRecord].load(cursor),
        unknown=TABLES[UnknownRecord].load(cursor),
        facts={fact.name: fact.value for fact in TABLES[Fact].load(cursor).values()},
        replays=TABLES[Replay].load(cursor),
        live_sessions=TABLES[LiveSession].load(cursor),
        station_entries=TABLES[StationEntry].load(cursor),
        refusals=TABLES[RefusedConnection].load(cursor),
        alarms=TABLES[AlarmRecord].load(cursor),
        telegram_keys=TABLES[TelegramKey].load(cursor),
        devices=TABLES[DeviceRecord].load(cursor),
        gateways=TABLES[GatewayRecord].load(cursor),
        cursors=load_cursors(cursor),
        downlinks=count_downlinks(cursor),
        requests=load_requests(cursor),
        receptions=load_receptions(cursor),
        last_seq=last_seq(cursor),
        last_event_at=_last_event_at(cursor),
    )


def _activities(cursor: sqlite3.Cursor) -> dict[EUI, Activity]:
    """Return the stored activities, updated with the events after their checkpoint."""
    rows = cursor.execute(
        "SELECT end_point_eui, MAX(last_seen_at), MAX(packet_counter), TOTAL(uplink_count) FROM ("
        "SELECT end_point_eui, last_seen_at, packet_counter, uplink_count FROM sensor_activity "
        "UNION ALL "
        "SELECT end_point_eui, at, packet_counter, 1 FROM event WHERE kind = 'uplink' "
        "AND seq > ?) AS every GROUP BY end_point_eui",
        (find_checkpoint(cursor, Activity.TABLE) or 0,),
    ).fetchall()
    found: dict[EUI, Activity] = {}
    for eui, last_seen_at, counter, count in rows:
        try:
            found[eui] = Activity(
                end_point_eui=EUI(parse_eui(eui)),
                last_seen_at=_within(float(last_seen_at), MAX_TIME),
                packet_counter=_within(int(counter), MAX_COUNTER),
                uplink_count=_within(int(count), MAX_COUNT),
            )
        except UNREADABLE as error:
            pass_over(cursor, Activity.TABLE, eui, error)
    return found


def _within(number: Number, most: float) -> Number:
    """Return a number that damage has not put out of range, where it could be neither stored nor sent.

    :raises ValueError: it is out of range.
    """
    if not 0 <= number <= most:
        raise ValueError(f"{number!r:.40} is out of range")
    return number


def _paths_seq(cursor: sqlite3.Cursor) -> int:
    """Return the checkpoint of the paths; in a journal of an older version, that of the activities."""
    found = find_checkpoint(cursor, PathRecord.TABLE)
    return found if found is not None else find_checkpoint(cursor, Activity.TABLE) or 0


def _last_event_at(cursor: sqlite3.Cursor) -> float:
    row = cursor.execute("SELECT at FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None or not isinstance(row[0], (int, float)):
        return 0.0
    return float(row[0])
