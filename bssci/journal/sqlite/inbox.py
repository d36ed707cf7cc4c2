"""The inbox: receptions that are on disk before their station hears that we have them."""

from __future__ import annotations

import sqlite3

import msgspec
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.journal.errors import JournalBusy
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.database import Database
from bssci.journal.sqlite.sessions import WATERMARKS
from bssci.journal.sqlite.worker import Lane, Reactor, Submission
from bssci.model import EUI, Reception

log = Logger()

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[list[Reception]])


def _insert(cursor: sqlite3.Cursor, batches: list[tuple[int, bytes]]) -> None:
    body = _encoder.encode([msgspec.Raw(batch) for _, batch in batches])
    cursor.execute("INSERT INTO reception_batch (position, body) VALUES (?, ?)", (batches[-1][0], body))


def _trim(cursor: sqlite3.Cursor, before: list[int]) -> None:
    cursor.execute("DELETE FROM reception_batch WHERE position < ?", (max(before),))


RECEPTIONS: Lane[tuple[int, bytes]] = Lane(_insert)
"""(position, encoded list of receptions): of a commit, all in one row."""
TRIMS: Lane[int] = Lane(_trim)
"""The position before which the inbox may be forgotten."""


class Receptions(Core):
    """Part of the journal: receptions."""

    def __init__(self, database: Database, reactor: Reactor, max_pending: int) -> None:
        super().__init__(database, reactor)
        self._max_pending = max_pending
        self.pending = 0
        """receptions that wait for the disk"""
        self._position = self._read_now(_last_position)

    def append_receptions(
        self, base_station_eui: EUI, last_bs_op_id: int, receptions: list[Reception]
    ) -> Deferred[int]:
        """Store what one station sent; in the same commit, that its session has come to this operation.

        Fires with their position in the inbox, once they are on disk.

        :raises JournalBusy: in the Deferred, if too many wait for the disk already.
        :raises StorageError: in the Deferred.
        """
        count = len(receptions)
        if self.pending + count > self._max_pending:
            return defer.fail(JournalBusy(f"{self.pending} receptions wait for the disk already"))
        body = _encoder.encode(receptions)
        self._position += 1
        self.pending += count
        deferred: Deferred[int] = Deferred()
        deferred.addBoth(self._no_longer_pending, count)
        self._writer.submit(
            Submission(
                deferred,
                self._position,
                (
                    (RECEPTIONS, ((self._position, body),)),
                    (WATERMARKS, ((base_station_eui, last_bs_op_id, 0),)),
                ),
            )
        )
        return deferred

    def open_receptions(self) -> list[tuple[int, list[Reception]]]:
        """What the inbox holds, in order: commit by commit, each with its last position. For the start."""
        inbox = []
        for position, body in self._read_now(_inbox):
            try:
                batches = _decoder.decode(body)
            except msgspec.DecodeError as error:
                log.error("inbox entry {position} is not readable: {error}", position=position, error=error)
            else:
                inbox.append((position, [reception for batch in batches for reception in batch]))
        return inbox

    def _no_longer_pending(self, result: int, count: int) -> int:
        self.pending -= count
        return result


def _last_position(cursor: sqlite3.Cursor) -> int:
    return int(cursor.execute("SELECT COALESCE(MAX(position), 0) FROM reception_batch").fetchone()[0])


def _inbox(cursor: sqlite3.Cursor) -> list[tuple[int, bytes]]:
    return cursor.execute("SELECT position, body FROM reception_batch ORDER BY position").fetchall()
