"""What all parts of the journal share: the file, the writer, the reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from bssci.journal.errors import StorageError
from bssci.journal.sqlite.database import Database
from bssci.journal.sqlite.worker import Lane, Reactor, Reader, Submission, Writer, WriterStatistics

T = TypeVar("T")
R = TypeVar("R")


class Core:
    """Changes in order, grouped into commits; reads beside them."""

    def __init__(self, database: Database, reactor: Reactor) -> None:
        self._database = database
        self._closing = False
        self._released = False
        self._waiting_for_close: list[Deferred[None]] = []
        self._writer = Writer(
            "journal writer",
            database.connect(),
            reactor,
            committed=self._committed,
            ended=self._transaction_ended,
        )
        self._reader = Reader("journal reader", database.connect_to_read(), reactor)

    def _start(self) -> None:
        self._writer.start()
        self._reader.start()

    @property
    def statistics(self) -> WriterStatistics:
        """What the writer has done since the start."""
        return self._writer.statistics

    def size(self) -> int:
        """Bytes of the journal on disk."""
        return self._database.size()

    def write(self, change: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a change in the next commit, after everything that was submitted before.

        It may be run twice, of which one is rolled back, so it does nothing but SQL; it neither
        begins nor ends transactions.

        :raises StorageError: in the Deferred. What the change itself raised fails its Deferred alone.
        """
        return self._change(change)

    def read(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a query beside the writer. It sees what was committed when it began."""
        deferred: Deferred[T] = Deferred()
        self._reader.submit(Submission(deferred, change=query))
        return deferred

    def close(self) -> Deferred[None]:
        """Finish what was submitted, close the file, let others use it. Again: the same."""
        waiting: Deferred[None] = Deferred()
        if self._released:
            waiting.callback(None)
        else:
            self._waiting_for_close.append(waiting)
        if not self._closing:
            self._closing = True
            self._writer.refuse()
            # The writer last: the last connection to close takes the write-ahead log into the file.
            self._reader.close().addCallback(lambda _: self._writer.close()).addCallback(self._release)
        return waiting

    def _release(self, _: None) -> None:
        self._database.release()
        self._released = True
        for waiting in self._waiting_for_close:
            waiting.callback(None)

    def _transaction_ended(self, committed: bool) -> None:
        """Hook, in the writing thread, after each transaction."""

    def _committed(self) -> None:
        """The writer has finished a group, and its Deferreds have fired."""

    def _change(
        self, change: Callable[[sqlite3.Cursor], T], after: tuple[Lane[Any], ...] | None = None
    ) -> Deferred[T]:
        deferred: Deferred[T] = Deferred()
        self._writer.submit(Submission(deferred, change=change, after=after))
        return deferred

    def _rows(self, lane: Lane[R], rows: Sequence[R]) -> Deferred[None]:
        deferred: Deferred[None] = Deferred()
        self._writer.submit(Submission(deferred, rows=((lane, rows),)))
        return deferred

    def _read_after_writing(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """A query that sees everything that was submitted before, without holding up the writer."""
        # If the commit fails, the query shows what is on disk all the same.
        return self._change(lambda cursor: None).addBoth(lambda _: self.read(query))

    def _read_now(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        """A query that blocks: for the start.

        :raises StorageError: if the file cannot be read.
        """
        try:
            with closing(self._database.connect_to_read()) as connection:
                return query(connection.cursor())
        except sqlite3.Error as error:
            raise StorageError(f"the journal cannot be read: {error}") from error
