"""Base of all components of the journal: the database, its writing thread and its reading threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.sqlite.damage import CountingConnection
from bssci.journal.sqlite.database import Database
from bssci.journal.sqlite.worker import Lane, Opened, Reader, Submission, Writer
from bssci.system.clock import Reactor

T = TypeVar("T")
R = TypeVar("R")

LaneRows = tuple[Lane[Any], Collection[Any]]


class LaneChange(Change):
    """Rows of lanes, for another component's commit."""

    __slots__ = ("lanes",)

    def __init__(self, *lanes: LaneRows) -> None:
        self.lanes = lanes


def lanes_of(changes: Sequence[Change]) -> tuple[LaneRows, ...]:
    """Return the lanes and rows of changes that components of this journal made."""
    return tuple(lane for change in changes if isinstance(change, LaneChange) for lane in change.lanes)


class Core:
    """Runs changes in order, grouped into commits, and queries beside them."""

    def __init__(self, database: Database, reactor: Reactor) -> None:
        self.database = database
        self._closing = False
        self._released = False
        self._waiting_for_close: list[Deferred[None]] = []
        self._after_group: list[Callable[[], None]] = []
        self._after_transaction: list[Callable[[bool], None]] = []
        self._make_room: list[Callable[[sqlite3.Cursor], int]] = []

        def opened(connection: CountingConnection) -> Opened:
            return Opened(connection, reactor, before_turn=database.check_index, close=database.close)

        self.writer = Writer(
            "journal writer",
            opened(database.connect()),
            committed=self._committed,
            ended=self._transaction_ended,
            check=database.check_files,
            make_room=lambda cursor: sum(make(cursor) for make in self._make_room),
            why_full=database.why_full,
        )
        self.reader, self.history = (
            Reader(name, opened(database.connect_to_read())) for name in ("journal reader", "journal history")
        )

    def start(self) -> None:
        """Start the threads."""
        self.writer.start()
        self.reader.start()
        self.history.start()

    @property
    def unreadable(self) -> int:
        """Number of damaged entries that were skipped."""
        connections = {worker.connection for worker in (self.writer, self.reader, self.history)}
        return sum(connection.unreadable for connection in connections)

    def watch(self, *, after_group: Callable[[], None], after_transaction: Callable[[bool], None]) -> None:
        """Register a component's callbacks.

        :param after_group: called in the reactor's thread after the Deferreds of a group have fired.
        :param after_transaction: called in the writing thread after each transaction, with whether it was
            committed.
        """
        self._after_group.append(after_group)
        self._after_transaction.append(after_transaction)

    def when_full(self, make_room: Callable[[sqlite3.Cursor], int]) -> None:
        """Register what a component does when the journal is full, after those that did so before.

        :param make_room: called in the writing thread; deletes rows that can be spared, and returns their
            number.
        """
        self._make_room.append(make_room)

    def change(
        self,
        change: Callable[[sqlite3.Cursor], T],
        after: tuple[Lane[Any], ...] | None = None,
        rows: tuple[LaneRows, ...] = (),
    ) -> Deferred[T]:
        """Run a change in the next commit, after everything that was submitted before.

        The change may run twice, with the first run rolled back, so it must do nothing but SQL; it must not
        begin or end transactions.

        :param after: lanes whose earlier submissions the change must see; None: all lanes.
        :param rows: rows to store in the same commit.
        :return: fires with what the change returned, or fails with what it raised or with StorageError.
        """
        deferred: Deferred[T] = Deferred()
        self.writer.submit(Submission(deferred, rows=rows, change=change, after=after))
        return deferred

    def store(self, *lanes: LaneRows) -> Deferred[None]:
        """Store rows, all of them in one commit."""
        deferred: Deferred[None] = Deferred()
        self.writer.submit(Submission(deferred, rows=lanes))
        return deferred

    def submit(self, deferred: Deferred[T], result: T, lanes: tuple[LaneRows, ...]) -> None:
        """Store rows, then fire a Deferred with ``result``."""
        self.writer.submit(Submission(deferred, result, lanes))

    def read(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a query in parallel to the writer. It sees what was committed when it began."""
        deferred: Deferred[T] = Deferred()
        self.reader.submit(Submission(deferred, change=query))
        return deferred

    def look_back(self, query: Callable[[sqlite3.Cursor], T], *, after_writing: bool = False) -> Deferred[T]:
        """Run a query about the past, which may take long, in a thread of its own.

        :param after_writing: let it see everything that was submitted before.
        """
        deferred: Deferred[T] = Deferred()
        if after_writing:
            self.settled().addBoth(lambda _: self.history.submit(Submission(deferred, change=query)))
        else:
            self.history.submit(Submission(deferred, change=query))
        return deferred

    def read_after_writing(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a query that sees everything submitted before, without delaying the writer."""
        # If the commit fails, the query runs all the same and sees what is on disk.
        return self.settled().addBoth(lambda _: self.read(query))

    def settled(self) -> Deferred[None]:
        """Fire when everything that was submitted before is committed; fail if its commit failed."""
        return self.change(lambda cursor: None)

    def close(self) -> Deferred[None]:
        """Finish what was submitted, close the file and release its lock. May be repeated."""
        waiting: Deferred[None] = Deferred()
        if self._released:
            waiting.callback(None)
        else:
            self._waiting_for_close.append(waiting)
        if not self._closing:
            self._closing = True
            self.writer.refuse()
            # The writer last: the last connection to close merges the write-ahead log into the file.
            closed = self.reader.close().addCallback(lambda _: self.history.close())
            closed.addCallback(lambda _: self.writer.close()).addCallback(self._release)
        return waiting

    def _release(self, _: None) -> None:
        self.database.release()
        self._released = True
        for waiting in self._waiting_for_close:
            waiting.callback(None)

    def _transaction_ended(self, committed: bool) -> None:
        for watcher in self._after_transaction:
            watcher(committed)

    def _committed(self) -> None:
        for watcher in self._after_group:
            watcher()
