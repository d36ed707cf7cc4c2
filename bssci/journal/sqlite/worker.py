"""Threads that talk to SQLite on the reactor's behalf: one writes, one reads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.journal.errors import StorageError, is_full, is_storage_failure
from bssci.journal.records import JournalStatistics
from bssci.journal.sqlite.damage import CountingConnection
from bssci.system.clock import Reactor

R = TypeVar("R")

log = Logger()

LOOK_INTERVAL = 0.5
"""s between looks at how full the file is"""
_PAGES = ("page_count", "freelist_count")
MAX_ROOMS = 4
"""times that room is made for one group"""


class Lane(Generic[R]):
    """Rows of one kind, of all who submit them, that are written together.

    ``write`` stores rows in the order of submission, in few statements. Lanes touch
    different tables or columns, so that their order among each other does not matter.
    """

    def __init__(self, write: Callable[[sqlite3.Cursor, list[R]], None]) -> None:
        self.write = write


@dataclass(slots=True, eq=False)
class Submission:
    """Work that is done in one transaction with others, but succeeds or fails as a whole.

    ``deferred`` fires with ``result``, or with what ``change`` returned. A change sees
    what was submitted before it in the lanes ``after`` (None: in all of them).
    """

    deferred: Deferred[Any]
    result: object = None
    rows: tuple[tuple[Lane[Any], Collection[Any]], ...] = ()
    change: Callable[[sqlite3.Cursor], object] | None = None
    after: tuple[Lane[Any], ...] | None = None


Written = tuple[Submission, object]
"""A submission and its result, or the exception that is to fail it."""


class Worker:
    """A thread with a connection and a queue.

    Submitting is for the reactor's thread; the Deferreds fire there.
    """

    def __init__(
        self,
        name: str,
        connection: CountingConnection,
        reactor: Reactor,
        *,
        before_turn: Callable[[], None],
        close: Callable[[CountingConnection], None],
    ) -> None:
        """Start the worker on a connection, answering on a reactor's thread.

        :param before_turn: called in the worker's thread before SQLite gets a turn; raises if it must not.
        :param close: closes the connection at the end.
        """
        self.connection = connection
        self._before_turn = before_turn
        self._close_connection = close
        self._reactor = reactor
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._refusing = False
        self._closed: Deferred[None] = Deferred()
        # A daemon: what is not committed was promised to nobody, so it must not keep a process alive.
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Queue it. After :meth:`refuse` it fails at once with :class:`StorageError`."""
        if self._refusing:
            submission.deferred.errback(StorageError("the journal is closed"))
        else:
            self._queue.put(submission)

    def refuse(self) -> None:
        """Take nothing more."""
        self._refusing = True

    def close(self) -> Deferred[None]:
        """Finish what was submitted, close the connection and end the thread; once only."""
        self.refuse()
        self._queue.put(None)
        return self._closed

    def _run(self) -> None:
        while self.serve(self._waiting()):
            pass
        try:
            self._close_connection(self.connection)
        except sqlite3.Error as error:
            log.error("journal connection not closed properly: {error}", error=error)
        self._reactor.callFromThread(self._ended)

    def _ended(self) -> None:
        self._thread.join()
        self._closed.callback(None)

    def _waiting(self) -> list[Submission | None]:
        """Return everything that waits; at least one."""
        submissions = [self._queue.get()]
        try:
            while True:
                submissions.append(self._queue.get_nowait())
        except Empty:
            return submissions

    def serve(self, submissions: list[Submission | None]) -> bool:
        """Deal with what waited; False if the end (None, always the last) was among it."""
        raise NotImplementedError


class Reader(Worker):
    """Runs queries one by one."""

    def serve(self, submissions: list[Submission | None]) -> bool:
        for submission in submissions:
            if submission is None:
                return False
            result: object
            try:
                assert submission.change is not None
                self._before_turn()
                result = submission.change(self.connection.cursor())
            except Exception as error:
                result = _explained(error)
            self._reactor.callFromThread(_fire, [(submission, result)])
        return True


class Writer(Worker):
    """Group commit: what is submitted while one commit runs goes into the next, and one fsync serves all.

    A change that fails on its own account takes nobody with it: its group is rolled back and run again,
    each submission within a savepoint. When storage fails, so does the whole group,
    with :class:`StorageError`, and the next group tries again.
    """

    def __init__(
        self,
        name: str,
        connection: CountingConnection,
        reactor: Reactor,
        *,
        before_turn: Callable[[], None],
        close: Callable[[CountingConnection], None],
        committed: Callable[[], None],
        ended: Callable[[bool], None],
        check: Callable[[], None],
        make_room: Callable[[sqlite3.Cursor], int],
    ) -> None:
        """Start the writer on a connection, answering on a reactor's thread.

        :param committed: called in the reactor's thread after each group's Deferreds have fired.
        :param ended: called in the writing thread after each transaction: whether it was committed.
        :param check: called there before and after each commit; raises if what is committed is lost.
        :param make_room: called there in a transaction of its own when there is no more room; how many
            rows it has deleted.
        """
        self.used_pages = 0
        """pages of the file in use, at the last look"""
        self._look_at = 0.0
        self.check = check
        self._lost: Exception | None = None
        """why a commit was lost: what is in the file is not what others were told, until it is opened anew"""
        self._make_room = make_room
        self.statistics = JournalStatistics()
        self._committed = committed
        self._transaction_ended = ended
        self._failures = 0
        super().__init__(name, connection, reactor, before_turn=before_turn, close=close)

    def serve(self, submissions: list[Submission | None]) -> bool:
        group = [submission for submission in submissions if submission is not None]
        if group:
            began, changes = time.perf_counter(), self.connection.total_changes
            outcomes, rows, succeeded = self._commit(group)
            seconds = time.perf_counter() - began
            # A group without a change proves nothing of the disk.
            stored = succeeded and self.connection.total_changes != changes
            if stored:
                self._failures = 0
            self._reactor.callFromThread(self._finish, outcomes, rows, seconds, succeeded, stored)
        return submissions[-1] is not None

    def _finish(
        self, outcomes: list[Written], rows: int, seconds: float, succeeded: bool, stored: bool
    ) -> None:
        statistics = self.statistics
        if succeeded:
            statistics.commits += 1
            statistics.rows += rows
            statistics.last_commit_seconds = seconds
            if stored:
                statistics.failed_in_row = 0
        else:
            statistics.failed_commits += 1
            statistics.failed_in_row += 1
        _fire(outcomes)
        self._committed()

    def _commit(self, group: list[Submission]) -> tuple[list[Written], int, bool]:
        """Return the outcomes, how many rows were written, and whether the commit succeeded."""
        attempt, rooms = _together, MAX_ROOMS
        while True:
            try:
                with self._transaction() as cursor:
                    outcomes, rows = attempt(cursor, group)
            except Exception as failure:
                error = failure
                if is_full(failure) and rooms and self._made_room():
                    rooms -= 1
                elif is_storage_failure(failure) or attempt is _one_by_one:
                    break
                else:
                    attempt = _one_by_one
            else:
                return outcomes, rows, True
        self._report(error)
        return [(submission, _explained(error)) for submission in group], 0, False

    def _made_room(self) -> bool:
        """Return whether entries that are needed no more could be deleted."""
        try:
            with self._transaction() as cursor:
                deleted = self._make_room(cursor)
        except Exception as error:
            if self._failures % 100 == 0:
                log.error("journal cannot make room: {error}", error=error)
            return False
        self.statistics.forgotten += deleted
        return deleted > 0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        cursor = self.connection.cursor()
        try:
            if self._lost is not None:
                raise self._lost
            self._before_turn()
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            if time.monotonic() >= self._look_at:
                self._look(cursor)
            self.check()
            cursor.execute("COMMIT")
            self._check_commit()
        except BaseException:
            # SQLite itself rolls back on some failures, and then there is nothing left to roll back.
            try:
                if self.connection.in_transaction:
                    self._before_turn()
                    self.connection.rollback()
            finally:
                self._transaction_ended(False)
            raise
        self._transaction_ended(True)

    def _look(self, cursor: sqlite3.Cursor) -> None:
        """Look now and then, as it takes time, how full the file is."""
        pages, free = (cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in _PAGES)
        self.used_pages = pages - free
        self._look_at = time.monotonic() + LOOK_INTERVAL

    def _check_commit(self) -> None:
        """Look whether what was just committed is still there, before anybody hears of it."""
        try:
            self.check()
        except Exception as error:
            self._lost = error
            raise

    def _report(self, error: Exception) -> None:
        if self._failures % 100 == 0:
            log.error(
                "journal cannot store, failures in a row: {failures}: {error}",
                failures=self._failures + 1,
                error=error,
            )
        self._failures += 1


def _together(cursor: sqlite3.Cursor, group: list[Submission]) -> tuple[list[Written], int]:
    """Run a group in as few statements as may be."""
    waiting: dict[Lane[Any], list[Any]] = {}
    outcomes: list[Written] = []
    written = 0
    for submission in group:
        for lane, rows in submission.rows:
            waiting.setdefault(lane, []).extend(rows)
        result = submission.result
        if submission.change is not None:
            for lane in list(waiting) if submission.after is None else submission.after:
                written += _write(cursor, lane, waiting.pop(lane, ()))
            result = submission.change(cursor)
        outcomes.append((submission, result))
    for lane, rows in waiting.items():
        written += _write(cursor, lane, rows)
    return outcomes, written


def _one_by_one(cursor: sqlite3.Cursor, group: list[Submission]) -> tuple[list[Written], int]:
    """Run a group so that whoever fails is alone."""
    outcomes: list[Written] = []
    written = 0
    for submission in group:
        cursor.execute("SAVEPOINT submission")
        try:
            outcome, rows = _together(cursor, [submission])
        except Exception as error:
            if is_storage_failure(error):
                raise
            cursor.execute("ROLLBACK TO submission")
            outcomes.append((submission, error))
        else:
            outcomes += outcome
            written += rows
        cursor.execute("RELEASE submission")
    return outcomes, written


def _write(cursor: sqlite3.Cursor, lane: Lane[Any], rows: Collection[Any]) -> int:
    if rows:
        lane.write(cursor, list(rows))
    return len(rows)


def _explained(error: Exception) -> Exception:
    if isinstance(error, StorageError) or not is_storage_failure(error):
        return error
    storage_error = StorageError(f"the journal cannot store or read: {error}")
    storage_error.__cause__ = error
    return storage_error


def _fire(outcomes: list[Written]) -> None:
    for submission, result in outcomes:
        if isinstance(result, Exception):
            submission.deferred.errback(result)
        else:
            submission.deferred.callback(result)
