"""Values for the journal's tests, and a hand on its writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred

from bssci.journal import (
    Activity,
    AlarmRecord,
    Attachment,
    AuditEntry,
    DeviceRecord,
    Fact,
    GatewayRecord,
    Left,
    ListeningRecord,
    LiveSession,
    PathRecord,
    RefusedConnection,
    Registration,
    Replay,
    Silence,
    StationEntry,
    StationRecord,
    StoredDownlink,
    StoredSession,
    TelegramKey,
    UnknownRecord,
)
from bssci.journal.sqlite.journal import SqliteJournal
from bssci.model import EUI, Downlink, DownlinkRequest, Reception, StationState, Uplink
from bssci.wire.messages import DetPrp
from bssci.wire.session import encode_operation

STATION = EUI("70B3D59CD0000001")
OTHER_STATION = EUI("70B3D59CD0000002")
SENSOR = EUI("FCA84A0300001234")
BAD_TEXT = "CAST(x'ff' AS TEXT)"
NAMED = StationState(at=1.0, base_station_eui=STATION, state="online", name="Roof top")


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


async def fill(journal):
    """Store something of everything that a journal keeps."""
    await journal.events.append([uplink(1), NAMED, uplink(2)])
    await journal.inbox.append([reception(1)])
    for station in (STATION, OTHER_STATION):
        await journal.sessions.begin(
            StoredSession(
                base_station_eui=station,
                sn_bs_uuid=bytes(16),
                sn_sc_uuid=bytes(16),
                version="1.0.0",
                created_at=1.0,
                open_operations=[
                    (op_id, encode_operation(DetPrp(opId=op_id, epEui=1))) for op_id in (-1, -2)
                ],
            )
        )
        await journal.sessions.store_registrations(
            station, [Registration(end_point_eui=SENSOR, fingerprint=b"f", state="attached", at=1.0)]
        )
        await journal.tables.put(
            [StationRecord(base_station_eui=station, first_seen_at=1.0, last_seen_at=1.0, info={"a": "text"})]
        )
    learned = Activity(end_point_eui=SENSOR, last_seen_at=1.0, packet_counter=2, uplink_count=2)
    await journal.tables.apply(Activity, {SENSOR: learned}, through=3)
    attachment = Attachment(end_point_eui=SENSOR, state="detached", reason="command", since=1.0)
    await journal.tables.put(
        [attachment, PathRecord(end_point_eui=SENSOR, body=b"p"), Fact(name="a", value="b")]
    )
    await journal.requests.receive("mqtt", "topic", b"attach", at=1.0)
    request = DownlinkRequest(end_point_eui=SENSOR, data=(b"\1",))
    downlink = Downlink(queue_id=1, request=request, state="queued", created_at=1.0)
    places = [Left(station, 1, SENSOR) for station in (STATION, OTHER_STATION)]
    await journal.downlinks.store([StoredDownlink(downlink=downlink)], [], left=places)
    await journal.cursors.move("log", 1)
    await journal.audit.append(AuditEntry(at=1.0, who="ann", address="::1", action="login"))
    await journal.samples.store(1.0, {"uplinks": 1.0, "downlinks": 2.0}, 0.0)
    await journal.events.append_late_copies([(1, reception(1)), (3, reception(2))])
    await fill_tables(journal)


async def fill_tables(journal):
    """Store a row of each kind that is kept by its key, as far as :func:`fill` has not done so."""
    alarm = AlarmRecord(number=1, id="sink:log", severity="error", text="away", href="/", since=1.0)
    refusal = RefusedConnection(
        key="k", address="::1", reason="no certificate", count=1, first_at=1.0, at=1.0
    )
    replay = Replay(number=1, sink="log", from_at=0.0, to_at=1.0, asked_by="ann", asked_at=1.0)
    session = LiveSession(
        key="t/c", token_id="t", client_id="c", filters={"mioty/#": 1}, position=1, seen_at=1.0
    )
    await journal.tables.put(
        [
            alarm,
            refusal,
            replay,
            session,
            DeviceRecord(id="ble:AA:BB:CC:DD:EE:FF", body=b"d"),
            GatewayRecord(id="scanner:roof", body=b"g"),
            ListeningRecord(number=1, began_at=1.0, ended_at=2.0),
            Silence(end_point_eui=SENSOR, attached_at=1.0, how="command"),
            StationEntry(base_station_eui=STATION, name="Roof", tags=("a",), entered_at=1.0),
            TelegramKey(slot=1, number=1, id="t1"),
            UnknownRecord(end_point_eui=SENSOR, body=b"u"),
        ]
    )


@contextmanager
def without_constraints(connection: sqlite3.Connection) -> Iterator[None]:
    """While it is entered, values may be missing where the schema forbids it, as after damage."""
    connection.execute("PRAGMA writable_schema = ON")
    kept = connection.execute("SELECT sql, name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
    connection.execute("PRAGMA writable_schema = RESET")
    yield
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany("UPDATE sqlite_master SET sql = ? WHERE name = ?", kept)
