"""Common parts of all components of the journal: the file, the writer, the reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from bssci.journal.interface import Change
from bssci.journal.sqlite.database import Database
from bssci.journal.sqlite.worker import Lane, Reader, Submission, Writer
from bssci.system.clock import Reactor

T = TypeVar("T")
R = TypeVar("R")

LaneRows = tuple[Lane[Any], Collection[Any]]


class LaneChange(Change):
    """Rows of lanes, for somebody's commit."""

    __slots__ = ("lanes",)

    def __init__(self, *lanes: LaneRows) -> None:
        self.lanes = lanes


def lanes_of(changes: Sequence[Change]) -> tuple[LaneRows, ...]:
    """Return the lanes of changes that components of this journal made."""
    return tuple(lane for change in changes if isinstance(change, LaneChange) for lane in change.lanes)


class Core:
    """Changes in order, grouped into commits; reads beside them."""

    def __init__(self, database: Database, reactor: Reactor) -> None:
        self.database = database
        self._closing = False
        self._released = False
        self._waiting_for_close: list[Deferred[None]] = []
        self._after_group: list[Callable[[], None]] = []
        self._after_transaction: list[Callable[[bool], None]] = []
        self._make_room: list[Callable[[sqlite3.Cursor], int]] = []
        self.writer = Writer(
            "journal writer",
            database.connect(),
            reactor,
            before_turn=database.check_index,
            close=database.close,
            committed=self._committed,
            ended=self._transaction_ended,
            check=database.check_files,
            make_room=lambda cursor: sum(make(cursor) for make in self._make_room),
        )
        self.reader, self.history = (
            Reader(
                name,
                database.connect_to_read(),
                reactor,
                before_turn=database.check_index,
                close=database.close,
            )
            for name in ("journal reader", "journal history")
        )

    def start(self) -> None:
        """Let the threads begin."""
        self.writer.start()
        self.reader.start()
        self.history.start()

    @property
    def unreadable(self) -> int:
        """Damaged entries that were passed over."""
        return sum(worker.connection.unreadable for worker in (self.writer, self.reader, self.history))

    def watch(
        self,
        *,
        after_group: Callable[[], None],
        after_transaction: Callable[[bool], None],
        make_room: Callable[[sqlite3.Cursor], int],
    ) -> None:
        """Have a component told of commits.

        :param after_group: called when a group is finished, and its Deferreds have fired.
        :param after_transaction: called in the writing thread: whether it was committed.
        :param make_room: called there when the journal is full; deletes what can be spared, and says how
            many rows.
        """
        self._after_group.append(after_group)
        self._after_transaction.append(after_transaction)
        self._make_room.append(make_room)

    def change(
        self, change: Callable[[sqlite3.Cursor], T], after: tuple[Lane[Any], ...] | None = None
    ) -> Deferred[T]:
        """Run a change in the next commit, after everything that was submitted before.

        It may be run twice, of which one is rolled back, so it does nothing but SQL; it neither
        begins nor ends transactions.

        :param after: sees what was submitted before in these lanes; None: in all of them.
        :raises StorageError: in the Deferred. What the change itself raised fails its Deferred alone.
        """
        deferred: Deferred[T] = Deferred()
        self.writer.submit(Submission(deferred, change=change, after=after))
        return deferred

    def store(self, *lanes: LaneRows) -> Deferred[None]:
        """Store rows, all of them in one commit."""
        deferred: Deferred[None] = Deferred()
        self.writer.submit(Submission(deferred, rows=lanes))
        return deferred

    def submit(self, deferred: Deferred[T], result: T, lanes: tuple[LaneRows, ...]) -> None:
        """Store rows, and fire a Deferred with ``result`` then."""
        self.writer.submit(Submission(deferred, result, lanes))

    def read(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a query beside the writer. It sees what was committed when it began."""
        deferred: Deferred[T] = Deferred()
        self.reader.submit(Submission(deferred, change=query))
        return deferred

    def look_back(self, query: Callable[[sqlite3.Cursor], T], *, after_writing: bool = False) -> Deferred[T]:
        """Run a query about the past, which may take its time: nobody else waits behind it.

        :param after_writing: it sees everything that was submitted before.
        """
        deferred: Deferred[T] = Deferred()
        if after_writing:
            self.settled().addBoth(lambda _: self.history.submit(Submission(deferred, change=query)))
        else:
            self.history.submit(Submission(deferred, change=query))
        return deferred

    def read_after_writing(self, query: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Run a query that sees everything submitted before, without holding up the writer."""
        # If the commit fails, the query shows what is on disk nevertheless.
        return self.settled().addBoth(lambda _: self.read(query))

    def settled(self) -> Deferred[None]:
        """Fire, or fail, when everything that was submitted before has."""
        return self.change(lambda cursor: None)

    def close(self) -> Deferred[None]:
        """Finish what was submitted, close the file, let others use it. Again: the same."""
        waiting: Deferred[None] = Deferred()
        if self._released:
            waiting.callback(None)
        else:
            self._waiting_for_close.append(waiting)
        if not self._closing:
            self._closing = True
            self.writer.refuse()
            # The writer last: the last connection to close takes the write-ahead log into the file.
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
