"""Threads that use SQLite on behalf of the reactor: a writer with group commits, and readers."""

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

from bssci.journal.errors import JournalClosed, JournalGoneError, StorageError, is_full, is_storage_failure
from bssci.journal.records import JournalStatistics
from bssci.journal.sqlite.damage import CountingConnection
from bssci.system.clock import Reactor
from bssci.system.line_limit import LineLimit

R = TypeVar("R")

log = Logger()

LOOK_INTERVAL = 0.5
"""s between two measurements of how full the file is"""
_PAGES = ("page_count", "freelist_count")
MAX_ROOMS = 4
"""times that old rows are deleted to make room for one group, at most"""


class Lane(Generic[R]):
    """A kind of rows; those of all submissions in a commit are written together.

    Lanes write to different tables or columns, so that their relative order does not matter.

    :param write: stores rows in the order of submission, in few statements.
    """

    def __init__(self, write: Callable[[sqlite3.Cursor, list[R]], None]) -> None:
        self.write = write


@dataclass(slots=True, eq=False)
class Submission:
    """Work that shares a transaction with other submissions, but succeeds or fails as a whole.

    ``deferred`` fires with ``result``, or with what ``change`` returned. A change sees earlier submissions in
    the lanes ``after`` (None: in all lanes).
    """

    deferred: Deferred[Any]
    result: object = None
    rows: tuple[tuple[Lane[Any], Collection[Any]], ...] = ()
    change: Callable[[sqlite3.Cursor], object] | None = None
    after: tuple[Lane[Any], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A connection to the database, and what its worker has to do around its use."""

    connection: CountingConnection
    reactor: Reactor
    """the reactor in whose thread Deferreds fire"""
    before_turn: Callable[[], None]
    """called in the worker's thread before SQLite gets a turn; raises if it must not"""
    close: Callable[[CountingConnection], None]
    """closes the connection at the end"""


Written = tuple[Submission, object]
"""a submission with its result, or with the exception that its Deferred fails with"""


class Worker:
    """A thread with a connection and a queue.

    Submitting is for the reactor's thread; the Deferreds fire there.
    """

    def __init__(self, name: str, opened: Opened) -> None:
        """Set up the worker; :meth:`start` starts its thread, which gets this name."""
        self.connection = opened.connection
        self._before_turn = opened.before_turn
        self._close_connection = opened.close
        self._reactor = opened.reactor
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._refusing = False
        self._closed: Deferred[None] = Deferred()
        # A daemon thread, as uncommitted work was not acknowledged and must not keep the process alive.
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Queue a submission; after :meth:`refuse` it fails at once with :class:`StorageError`."""
        if self._refusing:
            submission.deferred.errback(JournalClosed("the journal is closed"))
        else:
            self._queue.put(submission)

    def refuse(self) -> None:
        """Refuse submissions from now on."""
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
        """Wait for a submission; return it and all others that are queued."""
        submissions = [self._queue.get()]
        try:
            while True:
                submissions.append(self._queue.get_nowait())
        except Empty:
            return submissions

    def serve(self, submissions: list[Submission | None]) -> bool:
        """Process submissions; return False if the last is None, which ends the thread."""
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
    """Group commit: submissions that arrive during one commit share the next one, and its fsync.

    If a change fails for a reason of its own, its group is rolled back and run again with a savepoint for
    each submission, so that only this one fails. If storage fails, the whole group fails with
    :class:`StorageError`, and the next group tries again.
    """

    def __init__(
        self,
        name: str,
        opened: Opened,
        *,
        committed: Callable[[], None],
        ended: Callable[[bool], None],
        check: Callable[[], None],
        make_room: Callable[[sqlite3.Cursor], int],
        why_full: Callable[[], str],
    ) -> None:
        """Set up the writer; :meth:`start` starts its thread.

        :param committed: called in the reactor's thread after each group's Deferreds have fired.
        :param ended: called in the writing thread after each transaction, with whether it was committed.
        :param check: called in the writing thread before and after each commit; raises if commits are lost.
        :param make_room: called in the writing thread, in a transaction of its own, when there is no more
            room; deletes rows and returns their number.
        :param why_full: called in the writing thread when there is still no room; returns the reason.
        """
        self.pages = 0
        """pages of the file, including those that are in the write-ahead log only, at the last measurement"""
        self.used_pages = 0
        """pages of the file in use, at the last measurement"""
        self._look_at = 0.0
        self.check = check
        self._lost: str | None = None
        """reason for which a commit was lost; the file is then not used any more until it is reopened"""
        self._make_room = make_room
        self._why_full = why_full
        self.statistics = JournalStatistics()
        self._committed = committed
        self._transaction_ended = ended
        self._failures = 0
        self._lines = LineLimit(time.monotonic, lines=1)
        self._lines_about_room = LineLimit(time.monotonic, lines=1)
        self._lines_about_end = LineLimit(time.monotonic, lines=1)
        super().__init__(name, opened)

    def serve(self, submissions: list[Submission | None]) -> bool:
        group = [submission for submission in submissions if submission is not None]
        if group:
            began, changes = time.perf_counter(), self.connection.total_changes
            outcomes, rows, succeeded = self._commit(group)
            seconds = time.perf_counter() - began
            # A group without a change proves nothing of the disk.
            stored = succeeded and self.connection.total_changes != changes
            if stored:
                self._report_end()
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
        """Commit a group; return the outcomes, the number of rows written, and whether it succeeded."""
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
        reason = self._why_full() if is_full(error) else self._why(error)
        self._report(reason)
        return [(submission, _explained(error, reason)) for submission in group], 0, False

    def _why(self, error: Exception) -> str:
        """Return why a commit failed: SQLite says `disk I/O error` of files that were truncated, too."""
        try:
            self.check()
        except Exception as gone:
            return str(gone)
        return str(error)

    def _made_room(self) -> bool:
        """Delete rows that are not needed any more; return whether there were any."""
        try:
            with self._transaction() as cursor:
                deleted = self._make_room(cursor)
        except Exception as error:
            if self._lines_about_room.admit() is not None:
                log.error("journal cannot make room: {error}", error=error)
            return False
        self.statistics.forgotten += deleted
        return deleted > 0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        cursor = self.connection.cursor()
        try:
            if self._lost is not None:
                raise JournalGoneError(self._lost)
            self._before_turn()
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            if time.monotonic() >= self._look_at:
                self._look(cursor)
            self.check()
            cursor.execute("COMMIT")
            self._check_commit()
        except BaseException:
            # On some failures SQLite has rolled back by itself.
            try:
                if self.connection.in_transaction:
                    self._before_turn()
                    self.connection.rollback()
            finally:
                self._transaction_ended(False)
            raise
        self._transaction_ended(True)

    def _look(self, cursor: sqlite3.Cursor) -> None:
        """Measure how full the file is; done only now and then, as it takes time."""
        pages, free = (cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in _PAGES)
        self.pages, self.used_pages = pages, pages - free
        self._look_at = time.monotonic() + LOOK_INTERVAL

    def _check_commit(self) -> None:
        """Check that the commit is not lost, before it is acknowledged."""
        try:
            self.check()
        except Exception as error:
            self._lost = str(error)
            raise

    def _report(self, reason: str) -> None:
        self._failures += 1
        if self._lines.admit() is not None:
            log.error(
                "journal cannot store, failures in a row: {failures}: {reason}",
                failures=self._failures,
                reason=reason,
            )

    def _report_end(self) -> None:
        failures, self._failures = self._failures, 0
        if failures and self._lines_about_end.admit() is not None:
            log.info("journal stores again, failures before: {count}", count=failures)


def _together(cursor: sqlite3.Cursor, group: list[Submission]) -> tuple[list[Written], int]:
    """Run a group in as few statements as possible."""
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
    """Run a group with a savepoint for each submission, so that one that fails affects no other."""
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


def _explained(error: Exception, reason: str = "") -> Exception:
    """Return the error for one of those who wait: raised by many, it would bear the tracebacks of all.

    :param reason: what went wrong, in better words than those of the error.
    """
    if isinstance(error, StorageError):
        return type(error)(*error.args)
    if not is_storage_failure(error):
        return error
    storage_error = StorageError(f"the journal cannot store or read: {reason or error}")
    storage_error.__cause__ = error
    return storage_error


def _fire(outcomes: list[Written]) -> None:
    for submission, result in outcomes:
        if isinstance(result, Exception):
            submission.deferred.errback(result)
        else:
            submission.deferred.callback(result)
