"""The thread that talks to the server: one connection, jobs in order, upkeep in between.

away --connected, migrated--> ready --job, slice of upkeep--> ready
  ^                             |
  +-- backoff 1, 2, 4 ... 30 s -+ anything failed, or no answer for too long: the connection is cut
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.sinks.postgres.errors import PostgresError
from bssci.system.clock import Reactor

FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0
"""s from one attempt to connect to the next, while nothing is to be delivered"""
SILENCE = 5.0
"""s without an answer after which this is reported"""
ANSWER_TIME = 45.0
"""s without an answer after which the connection is cut"""
UPKEEP_INTERVAL = 60.0
"""s from the end of one round of upkeep to the next"""
SLICE_INTERVAL = 0.5
"""s from one slice of upkeep to the next, while there is something to deliver"""
_TURN = 0.5
"""s that the thread waits for a job before it does other work"""

_Failure: Any = Failure
S = TypeVar("S", bound="DatabaseSession")
T = TypeVar("T")


class Line(Protocol):
    """The means by which another thread cuts a connection.

    :ivar answers: statements that the server has answered.
    """

    answers: int

    def cut(self) -> None: ...


class DatabaseSession(Protocol):
    """The part of a session that the thread uses."""

    @property
    def upkeep_error(self) -> Exception | None: ...

    def upkeep(self) -> bool: ...

    def close(self) -> None: ...


class DatabaseWorker(Generic[S]):
    """Runs jobs on a connection in a thread of its own. Its methods and Deferreds belong to the reactor's
    thread.

    :param opened: makes a session; it is given a function to call with the line as soon as there is one.
    :param explain: returns an error as one line of text.
    :param ready: called in the reactor's thread with each new session.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        opened: Callable[[Callable[[Line], None]], S],
        explain: Callable[[BaseException], str],
        ready: Callable[[S], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._open = opened
        self._explain = explain
        self._ready = ready
        self._now = monotonic
        self._queue: SimpleQueue[tuple[Deferred[Any], Callable[[S], Any], bool] | None] = SimpleQueue()
        self._session: S | None = None
        self._line: Line | None = None
        self.reached = False
        """true once there was a session"""
        self._trouble = ""
        self._job_trouble = ""
        """why the last job failed at a connection that had been made; empty: it did not"""
        self.warning = ""
        """why the server refuses the upkeep, or a part of it; empty: it does not"""
        self._busy_since: float | None = None
        self._answers = 0
        """answers of the connection when they were last looked at"""
        self._answered_at = monotonic()
        """time at which there were more than before"""
        self._backoff = 0.0
        self._next_attempt = 0.0
        self._next_slice = monotonic() + UPKEEP_INTERVAL
        self._stopping = False
        self._ended: Deferred[None] = Deferred()
        # A daemon: the journal keeps what is not stored, so the thread need not keep the process alive.
        self._thread = Thread(target=self._run, name="postgres", daemon=True)
        self._started = False

    def start(self) -> None:
        """Connect, and repeat that until it succeeds."""
        self._started = True
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Reason why nothing can be stored now; empty: it can, or the first attempt is under way."""
        silence = self._silence
        if not self._trouble and silence > SILENCE:
            return f"the server has not answered for {silence:.0f} s"
        return self._trouble or self._job_trouble

    @property
    def _silence(self) -> float:
        """Time in s for which the server has not answered; 0: nothing was asked."""
        since, line = self._busy_since, self._line
        if since is None:
            return 0.0
        # A job is many statements: while they are answered, it may take its time.
        if line is not None and line.answers != self._answers:
            self._answers, self._answered_at = line.answers, self._now()
        return self._now() - max(since, self._answered_at)

    def submit(self, job: Callable[[S], T], *, delivers: bool = True) -> Deferred[T]:
        """Run ``job`` in the thread; a connection is made first if there is none.

        :param delivers: it stores what was to be delivered: how it ends decides :attr:`trouble`, until the
            next such job has ended.

        Fails with :class:`PostgresError`.
        """
        deferred: Deferred[T] = Deferred()
        if self._stopping:
            deferred.errback(PostgresError("the sink stops"))
        else:
            self._queue.put((deferred, job, delivers))
        return deferred

    def check(self) -> None:
        """Cut the connection if the server has not answered for too long. Call it periodically."""
        if self._silence > ANSWER_TIME:
            self.log.warn("connection cut, the server does not answer {seconds}", seconds=ANSWER_TIME)
            self._cut()

    def stop(self, seconds: float) -> Deferred[None]:
        """Finish what is under way, within ``seconds``; then the connection is cut."""
        if not self._started or self._stopping:
            return succeed(None)
        self._stopping = True
        self._queue.put(None)
        cutting = self._reactor.callLater(seconds / 2, self._cut)
        # A thread that is still connecting cannot be ended; it does no harm, because its jobs are refused.
        ending = self._reactor.callLater(seconds, self._end)

        def ended(_: None) -> None:
            for call in (cutting, ending):
                if call.active():
                    call.cancel()

        return self._ended.addCallback(ended)

    def _cut(self) -> None:
        line = self._line
        if line is not None:
            line.cut()

    def _end(self) -> None:
        if not self._ended.called:
            self._ended.callback(None)

    # In the thread

    def _run(self) -> None:
        self._look_around()
        while True:
            try:
                item = self._queue.get(timeout=_TURN)
            except Empty:
                self._look_around()
                continue
            if item is None:
                break
            deferred, job, delivers = item
            result = self._attempt(job, delivers=delivers)
            if delivers and not isinstance(result, Failure):
                self._job_trouble = ""
            self._reactor.callFromThread(_fire, deferred, result)
            if self._session is not None and self._now() >= self._next_slice:
                self._slice()
        self._close()
        self._reactor.callFromThread(self._end)

    def _attempt(self, job: Callable[[S], Any], *, delivers: bool = False) -> Any:
        """Return the job's result, or a Failure.

        :param delivers: as for :meth:`submit`.
        """
        if self._stopping:
            return _Failure(PostgresError("the sink stops"))
        self._busy_since = self._now()
        connected = False
        try:
            if self._session is None:
                self._session = self._connect()
            connected = True
            result = job(self._session)
        except Exception as error:
            known = self._failed(error)
            if connected and delivers:
                # Kept while new connections succeed, which says nothing about the job.
                self._job_trouble = str(known)
            return _Failure(known)
        else:
            self._trouble = ""
            self._backoff = 0.0
            return result
        finally:
            self._busy_since = None

    def _connect(self) -> S:
        session = self._open(self._connected)
        self.reached = True
        self._reactor.callFromThread(self._ready, session)
        return session

    def _connected(self, line: Line) -> None:
        self._line = line

    def _failed(self, error: Exception) -> PostgresError:
        """Close the connection, whatever its state, and return the error in plain words."""
        known = error if isinstance(error, PostgresError) else PostgresError(self._explain(error))
        self._trouble = str(known)
        self._backoff = min(LAST_BACKOFF, self._backoff * 2 or FIRST_BACKOFF)
        self._next_attempt = self._now() + self._backoff
        self._close()
        return known

    def _close(self) -> None:
        session, self._session, self._line = self._session, None, None
        if session is not None:
            try:
                session.close()
            except Exception as error:
                self.log.debug("connection not closed properly {error}", error=self._explain(error))

    def _look_around(self) -> None:
        """Connect even if there is nothing to deliver, so that faults are known early; or do upkeep."""
        if self._stopping:
            return
        if self._session is None:
            if self._now() >= self._next_attempt:
                self._attempt(lambda session: None)
        elif self._now() >= self._next_slice:
            while self._slice() and self._queue.empty():
                pass

    def _slice(self) -> bool:
        more = False

        def upkeep(session: S) -> None:
            nonlocal more
            more = session.upkeep()
            self._note_upkeep(session.upkeep_error)

        failed = isinstance(self._attempt(upkeep), Failure)
        more = more and not failed
        self._next_slice = self._now() + (SLICE_INTERVAL if more else UPKEEP_INTERVAL)
        return more

    def _note_upkeep(self, error: Exception | None) -> None:
        said = "" if error is None else self._explain(error)
        if said and not self.warning:
            self.log.warn("PostgreSQL: upkeep of the tables failed: {error}", error=said)
        self.warning = said


def _fire(deferred: Deferred[Any], result: Any) -> None:
    deferred.callback(result)
