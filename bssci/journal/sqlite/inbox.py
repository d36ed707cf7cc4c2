"""The inbox: receptions, on disk before they are acknowledged."""

from __future__ import annotations

import sqlite3

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred

from bssci.journal.errors import JournalBusy
from bssci.journal.interface import Change
from bssci.journal.sqlite.core import Core, lanes_of
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.worker import Lane
from bssci.model import Reception

MAX_PENDING_BYTES = 64 << 20
"""encoded bytes of the receptions that may wait for the disk"""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[list[Reception]])


def _insert(cursor: sqlite3.Cursor, batches: list[tuple[int, bytes]]) -> None:
    body = _encoder.encode([msgspec.Raw(batch) for _, batch in batches])
    cursor.execute("INSERT INTO reception_batch (position, body) VALUES (?, ?)", (batches[-1][0], body))


def _trim(cursor: sqlite3.Cursor, before: list[int]) -> None:
    cursor.execute("DELETE FROM reception_batch WHERE position < ?", (max(before),))


RECEPTIONS: Lane[tuple[int, bytes]] = Lane(_insert)
"""(position, encoded list of receptions); those of one commit go into one row"""
TRIMS: Lane[int] = Lane(_trim)
"""position below which the inbox is deleted"""


class Inbox:
    """SQLite implementation of :class:`bssci.journal.interface.Inbox`.

    :param max_pending: receptions that may wait for the disk.
    :param last_position: position of the newest reception that is stored.
    """

    def __init__(self, core: Core, max_pending: int, last_position: int) -> None:
        self._core = core
        self._max_pending = max_pending
        self.pending = 0
        self._pending_bytes = 0
        self._position = last_position

    def append(self, receptions: list[Reception], mark: Change | None = None) -> Deferred[int]:
        count = len(receptions)
        if self.pending + count > self._max_pending:
            return defer.fail(JournalBusy(f"{self.pending} receptions wait for the disk already"))
        body = _encoder.encode(receptions)
        if self._pending_bytes + len(body) > MAX_PENDING_BYTES:
            return defer.fail(JournalBusy(f"{self._pending_bytes} bytes wait for the disk already"))
        self._position += 1
        self.pending += count
        self._pending_bytes += len(body)
        deferred: Deferred[int] = Deferred()
        deferred.addBoth(self._no_longer_pending, count, len(body))
        marks = () if mark is None else lanes_of((mark,))
        self._core.submit(deferred, self._position, ((RECEPTIONS, ((self._position, body),)), *marks))
        return deferred

    def _no_longer_pending(self, result: int, count: int, size: int) -> int:
        self.pending -= count
        self._pending_bytes -= size
        return result


def last_position(cursor: sqlite3.Cursor) -> int:
    """Return the position of the newest reception; 0 if there is none."""
    return int(cursor.execute("SELECT COALESCE(MAX(position), 0) FROM reception_batch").fetchone()[0])


def load_receptions(cursor: sqlite3.Cursor) -> tuple[tuple[int, list[Reception]], ...]:
    """Return the receptions in the inbox, those of each commit with its last position, in order."""
    inbox = []
    rows = cursor.execute("SELECT position, body FROM reception_batch ORDER BY position").fetchall()
    for position, body in rows:
        try:
            batches = _decoder.decode(body)
        except UNREADABLE as error:
            pass_over(cursor, "reception_batch", position, error)
        else:
            inbox.append((position, [reception for batch in batches for reception in batch]))
    return tuple(inbox)
