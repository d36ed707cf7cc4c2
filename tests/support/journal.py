"""Values for the journal's tests, and a hand on its writer."""

from __future__ import annotations

import sqlite3
import threading

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.journal import SqliteJournal
from bssci.model import EUI, Reception, StationState, Uplink

STATION = EUI("70B3D59CD0000001")
OTHER_STATION = EUI("70B3D59CD0000002")
SENSOR = EUI("FCA84A0300001234")


def reception(
    counter: int = 1, sensor: EUI = SENSOR, station: EUI = STATION, payload: bytes = b"\1\2"
) -> Reception:
    return Reception(
        end_point_eui=sensor,
        packet_counter=counter,
        payload=payload,
        base_station_eui=station,
        rx_time=1_700_000_000_000_000_000,
        snr=10.5,
        rssi=-101.25,
        received_at=1_700_000_000.0,
    )


def uplink(
    counter: int = 1, sensor: EUI = SENSOR, at: float = 1_700_000_000.0, payload: bytes = b"\1\2"
) -> Uplink:
    receptions = [reception(counter, sensor, payload=payload)]
    return Uplink(at=at, id=f"{sensor}-{counter}", known=True, receptions=receptions, duplicates=0)


def online(at: float = 1_700_000_000.0) -> StationState:
    return StationState(at=at, base_station_eui=STATION, state="online")


def disk_full(cursor: sqlite3.Cursor) -> None:
    """A change that fails as if the disk was full."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


class HeldWriter:
    """While it is entered, the journal's writer is in the middle of a transaction and stays there."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._entered = threading.Event()
        self._let_go = threading.Event()
        self.done: Deferred[None] | None = None

    def __enter__(self) -> HeldWriter:
        self.done = self._journal.core.change(self._hold)
        assert self._entered.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()

    def _hold(self, cursor: sqlite3.Cursor) -> None:
        self._entered.set()
        assert self._let_go.wait(10)
