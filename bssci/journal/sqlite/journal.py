"""The journal in one SQLite file, made of its components."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.internet.defer import Deferred

from bssci.journal.errors import JournalError
from bssci.journal.records import JournalStatistics, Loaded, Usage
from bssci.journal.sqlite.audit import Audit
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.cursors import Cursors
from bssci.journal.sqlite.database import PAGE_SIZE, Database, load_schema
from bssci.journal.sqlite.downlinks import Downlinks
from bssci.journal.sqlite.events import Events, first_seq, last_seq
from bssci.journal.sqlite.history import History
from bssci.journal.sqlite.inbox import Inbox, last_position
from bssci.journal.sqlite.loading import load
from bssci.journal.sqlite.requests import Requests
from bssci.journal.sqlite.samples import Samples
from bssci.journal.sqlite.sessions import Sessions
from bssci.journal.sqlite.tables import Tables
from bssci.journal.sqlite.uplink_keys import UplinkKeys, waiting_keys
from bssci.system.clock import Reactor

MAX_BYTES = 16 * 1024**3
MAX_PENDING = 100_000
TAIL_BYTES = 8 * 1024**2


class SqliteJournal:
    """SQLite implementation of :class:`bssci.journal.interface.Journal`.

    :param max_pending: receptions that may wait for the disk.
    :param tail_bytes: encoded bytes of the newest events that are kept in memory.
    """

    def __init__(
        self,
        database: Database,
        reactor: Reactor,
        *,
        max_pending: int = MAX_PENDING,
        tail_bytes: int = TAIL_BYTES,
    ) -> None:
        with closing(database.connect_to_read()) as connection:
            cursor = connection.cursor()
            position, waiting = last_position(cursor), waiting_keys(cursor)
            first, seq = first_seq(cursor), last_seq(cursor)
        self.core = Core(database, reactor)
        self.keys = UplinkKeys(waiting)
        self.inbox = Inbox(self.core, max_pending, position)
        self.events = Events(
            self.core,
            first_seq=first,
            last_seq=seq,
            keys=self.keys,
            waiting_keys=len(waiting),
            tail_bytes=tail_bytes,
        )
        self.cursors = Cursors(self.core, self.events)
        self.sessions = Sessions(self.core)
        self.requests = Requests(self.core, self.events)
        self.downlinks = Downlinks(self.core, self.events)
        self.tables = Tables(self.core)
        self.audit = Audit(self.core)
        self.samples = Samples(self.core)
        self.history = History(self.core, self.keys, self.events.lane)

    @property
    def statistics(self) -> JournalStatistics:
        return self.core.writer.statistics

    def size(self) -> int:
        return max(self.core.database.size(), self.core.writer.pages * PAGE_SIZE)

    def usage(self) -> Usage:
        stored = max(1, self.events.last_seq - self.events.first_seq + 1)
        waiting = max(0, self.events.last_seq - self.cursors.delivered_seq)
        return Usage(
            size=self.size(),
            max_size=self.core.database.max_bytes,
            log_size=self.core.database.log_size(),
            undelivered=int(self.core.writer.used_pages * PAGE_SIZE * min(1.0, waiting / stored)),
            unreadable=self.core.unreadable,
        )

    def load(self) -> Deferred[Loaded]:
        return self.core.read_after_writing(load)

    def settled(self) -> Deferred[None]:
        return self.core.settled()

    def close(self) -> Deferred[None]:
        return self.core.close()


def open_journal(
    directory: Path,
    reactor: Reactor,
    *,
    max_bytes: int = MAX_BYTES,
    max_pending: int = MAX_PENDING,
    tail_bytes: int = TAIL_BYTES,
) -> SqliteJournal:
    """Open the journal in a directory, or create it there. Blocks, so it must be called before serving.

    :param max_bytes: maximum size of the file; at that size changes fail until delivered events are deleted.
    :param max_pending: receptions that may wait for the disk.
    :param tail_bytes: encoded bytes of the newest events that are kept in memory.
    :raises JournalError: the directory is in use or unusable, or the file is damaged, not a journal, or of a
        newer version; it is left as it is.
    """
    database = Database(directory, load_schema(), max_bytes=max_bytes)
    try:
        journal = SqliteJournal(database, reactor, max_pending=max_pending, tail_bytes=tail_bytes)
    except sqlite3.Error as error:
        database.release()
        raise JournalError(
            f"{database.path}: the journal cannot be read: {error}: restore it from a backup or set STATE_DIR"
        ) from error
    journal.core.start()
    return journal
