"""The events that sinks read: stored in order, read by number, deleted after their retention."""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal.errors import JournalBusy, JournalClosed, StorageError
from bssci.journal.interface import Change, Numbered
from bssci.journal.sqlite.core import Core, lanes_of
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.inbox import TRIMS
from bssci.journal.sqlite.statements import Row, execute_rows, fetch_bodies, query_bodies
from bssci.journal.sqlite.tail import Tail
from bssci.journal.sqlite.uplink_keys import LIMIT as KEYS_IN_MEMORY
from bssci.journal.sqlite.uplink_keys import UplinkKeys, delete_keys
from bssci.journal.sqlite.worker import Lane
from bssci.model import (
    EUI,
    AnyEvent,
    Reception,
    Telegram,
    Uplink,
    VariableMacUplink,
    decode_event,
    encode_event,
)
from bssci.model.events import sensor_of, station_of

log = Logger()

MAX_APPENDING_BYTES = 64 * 1024 * 1024
"""encoded bytes of the events that may wait for the disk"""
READ_BYTES = 4 * 1024 * 1024
"""encoded bytes of the events that one read returns, at most; a single event may be larger"""
ROOM = 10_000
"""delivered events that are deleted at a time when the journal is full"""
_SLICE = 1000
"""events that one step of the retention examines"""

_encoder = msgspec.msgpack.Encoder()
_uplink_decoder = msgspec.msgpack.Decoder(Uplink)


class _Heard(msgspec.Struct, gc=False):
    """An uplink of which only the receptions are read, and left encoded."""

    receptions: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]


_heard_decoder = msgspec.msgpack.Decoder(_Heard)
_reception_decoder = msgspec.msgpack.Decoder(Reception)
Found = TypeVar("Found")


def _insert_events(cursor: sqlite3.Cursor, rows: Sequence[Row]) -> None:
    execute_rows(
        cursor,
        "INSERT INTO event (seq, kind, end_point_eui, base_station_eui, packet_counter, at, body) "
        "VALUES {rows}",
        rows,
    )


def _insert_late_copies(cursor: sqlite3.Cursor, rows: list[Row]) -> None:
    execute_rows(cursor, "INSERT INTO late_copy (event_seq, body) VALUES {rows}", rows)


LATE_COPIES: Lane[Row] = Lane(_insert_late_copies)


class Events:
    """SQLite implementation of :class:`bssci.journal.interface.Events`.

    :param first_seq: number of the oldest event that is stored.
    :param last_seq: number of the newest event.
    :param keys: index of the uplinks.
    :param waiting_keys: number of its keys that are in memory only.
    :param tail_bytes: encoded bytes of the newest events that are kept in memory.
    """

    def __init__(
        self,
        core: Core,
        *,
        first_seq: int,
        last_seq: int,
        keys: UplinkKeys,
        waiting_keys: int,
        tail_bytes: int,
    ) -> None:
        self.first_seq = first_seq
        """number of the oldest stored event; approximate"""
        self.last_seq = last_seq
        self._core = core
        self._next_seq = last_seq + 1
        self._appending = 0
        """number of appends under way that hold events"""
        self._appending_bytes = 0
        self.tail = Tail(last_seq, tail_bytes)
        self._subscribers: list[Callable[[], None]] = []
        self._announced_seq = last_seq
        self._counts: Counter[type[AnyEvent]] = Counter()
        self._keys = keys
        self._waiting_keys = waiting_keys
        self.keys_leaving = False
        self.lane: Lane[Row] = Lane(self._write_events)
        self.delivered_seq = 0
        """number of the last event that every sink has taken, as far as is known"""
        self._first_after_room: int | None = None
        """value of ``first_seq`` once the open transaction, which makes room, is committed"""
        core.watch(after_group=self._committed, after_transaction=self._transaction_ended)
        core.when_full(self._make_room)

    def release(self, delivered_seq: int) -> None:
        """Allow events up to this number, taken by every sink, to be deleted when the journal is full."""
        self.delivered_seq = delivered_seq

    def _write_events(self, cursor: sqlite3.Cursor, rows: list[Row]) -> None:
        """Write events and their keys; runs in the writing thread."""
        _insert_events(cursor, rows)
        self._keys.add([(row[2], row[4], row[0]) for row in rows if row[1] == "uplink"])  # type: ignore[misc]

    def append(
        self, events: list[AnyEvent], *, taken_before: int | None = None, beside: Sequence[Change] = ()
    ) -> Deferred[int]:
        first = self._next_seq
        rows = [_row(seq, event) for seq, event in enumerate(events, first)]
        size = sum([len(row[-1]) for row in rows])
        # With an empty queue any size is accepted: waiting would not make more room.
        if rows and self._appending_bytes and self._appending_bytes + size > MAX_APPENDING_BYTES:
            waiting = f"{self._appending_bytes} bytes of events wait for the disk already"
            return defer.fail(JournalBusy(waiting))
        self._next_seq += len(rows)
        deferred: Deferred[int] = Deferred()
        self._appending += size > 0
        self._appending_bytes += size
        deferred.addCallbacks(self._stored, self._not_stored, (events, size), errbackArgs=(size,))
        trims = () if taken_before is None else (taken_before,)
        self._core.submit(deferred, first, ((self.lane, rows), (TRIMS, trims), *lanes_of(beside)))
        return deferred

    def counts(self) -> dict[str, int]:
        return {str(kind.__struct_config__.tag): count for kind, count in self._counts.items()}

    def read(self, after: int, limit: int) -> Deferred[Numbered]:
        events = self.tail.read(after, limit, READ_BYTES)
        if events is not None:
            return defer.succeed(events)
        return self._core.read(lambda cursor: _select_events(cursor, after, limit))

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def find_uplinks(self, keys: list[tuple[EUI, int]]) -> Deferred[list[tuple[int, Uplink]]]:
        wanted = list(dict.fromkeys(keys))
        found = self._core.change(lambda cursor: self._keys.find(cursor, wanted), after=(self.lane,))
        return found.addCallback(self._uplinks)

    def _uplinks(self, seqs: list[int]) -> Deferred[list[tuple[int, Uplink]]]:
        if not seqs:
            return defer.succeed([])
        return self._core.read(lambda cursor: select_uplinks(cursor, seqs))

    def append_late_copies(self, copies: list[tuple[int, Reception]]) -> Deferred[None]:
        rows = [(seq, _encoder.encode(reception)) for seq, reception in copies]
        return self._core.store((LATE_COPIES, rows))

    def trim(self, before_at: float, delivered_seq: int) -> Deferred[int]:
        return Deferred.fromCoroutine(self._trim_in_steps(before_at, delivered_seq))

    async def _trim_in_steps(self, before_at: float, delivered_seq: int) -> int:
        position = total = 0
        last = min(delivered_seq, self.last_seq - 1)
        while True:
            step = functools.partial(_delete_events, after=position, last=last, before_at=before_at)
            done = await self._core.change(step, after=())
            if not done.deleted and not done.is_ahead:
                return total
            position, self.first_seq = done.position, done.first_seq
            total += done.deleted

    def _make_room(self, cursor: sqlite3.Cursor) -> int:
        """Delete the oldest events that every sink has taken, in the writing thread; return their number."""
        # Two subqueries: with MIN and MAX in one query, SQLite scans the whole table.
        ends = "SELECT (SELECT MIN(seq) FROM event), (SELECT MAX(seq) FROM event)"
        oldest, newest = cursor.execute(ends).fetchone()
        if oldest is None:
            return 0
        last = min(self.delivered_seq, newest - 1, oldest + ROOM - 1)
        if last < oldest:
            return 0
        self._first_after_room = last + 1
        return _delete_range(cursor, oldest - 1, last, float("inf"))

    def history_begins(self, cursor: sqlite3.Cursor) -> float:
        """Return the Unix seconds of the oldest event that may be deleted to make room; infinite: none may.

        To be called in the writing thread.
        """
        query = (
            "SELECT at FROM event WHERE seq <= ? AND seq < (SELECT MAX(seq) FROM event) ORDER BY seq LIMIT 1"
        )
        oldest = cursor.execute(query, (self.delivered_seq,)).fetchone()
        return float("inf") if oldest is None else float(oldest[0])

    def _transaction_ended(self, committed: bool) -> None:
        if committed and self._first_after_room is not None:
            self.first_seq = self._first_after_room
        self._first_after_room = None
        self._keys.settle(committed)

    async def _store_keys(self) -> None:
        self._waiting_keys = 0
        change = self._core.change
        try:
            await change(lambda cursor: self._keys.begin())
            position: int | None = 0
            while position is not None:
                position = await change(functools.partial(self._keys.write, position=position), after=())
            await change(lambda cursor: self._keys.end(), after=())
        except JournalClosed:
            log.debug("index of uplinks not written at the stop: the next start makes it again")
        except StorageError as error:
            log.warn("index of uplinks not written, still in memory: {error}", error=error)
        except Exception:
            log.failure("index of uplinks not written, still in memory")
        self.keys_leaving = False

    def _stored(self, first: int, events: list[AnyEvent], size: int) -> int:
        self._appending -= size > 0
        self._appending_bytes -= size
        if events:
            self._waiting_keys += len(events)
            self._counts.update(map(type, events))
            self.tail.append(first, events, size)
            self.last_seq = first + len(events) - 1
        return first

    def _not_stored(self, failure: Failure, size: int) -> Failure:
        self._appending -= size > 0
        self._appending_bytes -= size
        # Unused numbers are used again: sinks derive their backlog from the numbers.
        if not self._appending and isinstance(failure.value, StorageError):
            self._next_seq = self.last_seq + 1
        return failure

    def _committed(self) -> None:
        if self._waiting_keys >= KEYS_IN_MEMORY and not self.keys_leaving:
            self.keys_leaving = True
            defer.ensureDeferred(self._store_keys())
        if self.last_seq == self._announced_seq:
            return
        self._announced_seq = self.last_seq
        for callback in list(self._subscribers):
            try:
                callback()
            except Exception:
                log.failure("subscriber of the journal failed")


def _row(seq: int, event: AnyEvent) -> tuple[int, str, str | None, str | None, int | None, float, bytes]:
    body = encode_event(event)
    if isinstance(event, Uplink):
        best = event.best
        return (seq, "uplink", best.end_point_eui, best.base_station_eui, best.packet_counter, event.at, body)
    kind = str(event.__struct_config__.tag)
    # The column holds the sender: the EUI of a mioty sensor, or the id of any other device.
    sender = event.device if isinstance(event, Telegram | VariableMacUplink) else sensor_of(event)
    return (seq, kind, sender, station_of(event), None, event.at, body)


def first_seq(cursor: sqlite3.Cursor) -> int:
    """Return the number of the oldest event; 1 if there is none yet."""
    return int(cursor.execute("SELECT COALESCE(MIN(seq), 1) FROM event").fetchone()[0])


def last_seq(cursor: sqlite3.Cursor) -> int:
    """Return the number of the newest event; 0 if there is none yet."""
    return int(cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM event").fetchone()[0])


def _select_events(cursor: sqlite3.Cursor, after: int, limit: int) -> list[tuple[int, AnyEvent]]:
    events: list[tuple[int, AnyEvent]] = []
    # Unreadable events are skipped; the result is empty only if no event follows.
    while not events:
        last = _last_that_fits(cursor, after, limit)
        if last is None:
            break
        rows = fetch_bodies(cursor, "SELECT seq, body FROM event WHERE seq > ? AND seq <= ?", (after, last))
        rows.sort()
        after = last
        for seq, body in rows:
            try:
                events.append((seq, decode_event(body)))
            except UNREADABLE as error:
                pass_over(cursor, "event", seq, error)
    return events


def _last_that_fits(cursor: sqlite3.Cursor, after: int, limit: int) -> int | None:
    """Return the number of the last event for one read after ``after``; None if no event follows."""
    rows = "SELECT seq, COALESCE(length(body), 0) AS size FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
    numbers, sizes = cursor.execute(
        f"SELECT group_concat(seq), group_concat(size) FROM ({rows})", (after, limit)
    ).fetchone()
    if numbers is None:
        return None
    found = sorted(zip(map(int, numbers.split(",")), map(int, sizes.split(",")), strict=True))
    room = READ_BYTES - found[0][1]
    last = found[0][0]
    for seq, size in found[1:]:
        room -= size
        if room < 0:
            break
        last = seq
    return last


def select_uplinks(cursor: sqlite3.Cursor, seqs: list[int]) -> list[tuple[int, Uplink]]:
    """Return the uplinks with these numbers, in this order."""
    return _select(cursor, seqs, _uplink_decoder.decode)


def select_best_receptions(cursor: sqlite3.Cursor, seqs: list[int]) -> list[tuple[int, Reception]]:
    """Return the best reception of each of the uplinks with these numbers, in this order."""
    return _select(cursor, seqs, _best_reception)


def _best_reception(body: bytes) -> Reception:
    return _reception_decoder.decode(_heard_decoder.decode(body).receptions[0])


def _select(
    cursor: sqlite3.Cursor, seqs: list[int], decode: Callable[[bytes], Found]
) -> list[tuple[int, Found]]:
    rows = query_bodies(
        cursor,
        "SELECT seq, body FROM event WHERE kind = 'uplink' AND seq IN ({numbers})",
        seqs,
    )
    found: dict[int, Found] = {}
    for seq, body in rows:
        try:
            found[seq] = decode(body)
        except UNREADABLE as error:
            pass_over(cursor, "event", seq, error)
    return [(seq, found[seq]) for seq in seqs if seq in found]


class _TrimStep(NamedTuple):
    """One step of the retention."""

    position: int
    """number of the last event that it examined"""
    deleted: int
    first_seq: int
    """number of the oldest event that is left"""
    is_ahead: bool
    """all that it examined is later than the newest event: the clock was ahead, and old ones may follow"""


def _delete_events(cursor: sqlite3.Cursor, after: int, last: int, before_at: float) -> _TrimStep:
    """Delete the old events in the slice after an event."""
    position, earliest = cursor.execute(
        "SELECT MAX(seq), MIN(at) FROM "
        "(SELECT seq, at FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?) AS slice",
        (after, last, _SLICE),
    ).fetchone()
    if position is None:
        return _TrimStep(after, 0, first_seq(cursor), is_ahead=False)
    # Compared by SQLite, which can do so whatever damage has made of one.
    newest = "SELECT ? > at FROM event ORDER BY seq DESC LIMIT 1"
    (is_ahead,) = cursor.execute(newest, (earliest,)).fetchone()
    deleted = _delete_range(cursor, after, position, before_at)
    return _TrimStep(position, deleted, first_seq(cursor), bool(is_ahead))


def _delete_range(cursor: sqlite3.Cursor, after: int, last: int, before_at: float) -> int:
    """Delete old events of a range, with their keys and late copies; return the number of events."""
    old = "SELECT seq FROM event WHERE seq > ? AND seq <= ? AND at < ?"
    values = (after, last, before_at)
    delete_keys(cursor, *values)
    cursor.execute(f"DELETE FROM late_copy WHERE event_seq IN ({old})", values)
    cursor.execute("DELETE FROM event WHERE seq > ? AND seq <= ? AND at < ?", values)
    return cursor.rowcount
