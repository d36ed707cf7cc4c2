"""The thread that talks to the server: jobs in order, connecting anew, upkeep, an end that is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from threading import Event
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bssci.sinks.postgres import worker
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.worker import ANSWER_TIME, SILENCE, DatabaseWorker
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

PATIENCE = 10.0
"""s of real time that another thread may take"""


class Reactor(Clock):
    """A clock, and what other threads ask for, done when the test waits."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: Queue[tuple[Callable[..., object], tuple[object, ...]]] = Queue()

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802
        self._asked.put((callable, args))

    def turn(self) -> None:
        callable, args = self._asked.get(timeout=PATIENCE)
        callable(*args)

    def result(self, deferred: Deferred[Any]) -> Any:
        """What it fires with; a Failure is raised."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results:
            self.turn()
        (result,) = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        return result


class Session:
    """A connection that does what a test says."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def upkeep_error(self) -> Exception | None:
        return self._bench.upkeep_error

    def upkeep(self) -> bool:
        self._bench.upkeeps.put(None)
        if self._bench.lost is not None:
            raise self._bench.lost
        return False

    def close(self) -> None:
        self._bench.closed += 1
        self._bench.closings.put(None)


def _explain(error: BaseException) -> str:
    return f"explained: {error}"


def _fail(session: Session) -> None:
    raise KeyError("column")


class Line:
    def __init__(self) -> None:
        self.is_cut = Event()
        self.answers = 0

    def cut(self) -> None:
        self.is_cut.set()


class Bench:
    def __init__(self) -> None:
        self.reactor = Reactor()
        self.seconds = 0.0
        """of the monotonic clock"""
        self.refusal: Exception | None = None
        self.opened = 0
        self.closed = 0
        self.line = Line()
        self.upkeeps: Queue[None] = Queue()
        self.closings: Queue[None] = Queue()
        self.upkeep_error: Exception | None = None
        self.lost: Exception | None = None
        """what the upkeep of this connection fails with"""
        self.worker: DatabaseWorker[Session] = DatabaseWorker(
            self.reactor, self._open, _explain, lambda session: None, lambda: self.seconds
        )

    def _open(self, connected: Callable[[Any], None]) -> Session:
        if self.refusal is not None:
            raise self.refusal
        connected(self.line)
        self.opened += 1
        self.lost = None
        return Session(self)

    def done(self, job: Callable[[Session], Any]) -> Any:
        return self.reactor.result(self.worker.submit(job))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(worker, "_TURN", 0.005)
    bench = Bench()
    bench.worker.start()
    yield bench
    bench.reactor.result(bench.worker.stop(1.0))
    assert not bench.reactor.getDelayedCalls()


def test_it_is_known_whether_the_server_was_ever_reached() -> None:
    bench = Bench()
    bench.refusal = ValueError("nobody there")
    bench.worker.start()
    with pytest.raises(PostgresError):
        bench.done(lambda session: None)
    assert not bench.worker.reached
    bench.refusal = None
    with pytest.raises(PostgresError):
        bench.done(_fail)
    assert bench.worker.reached
    bench.reactor.result(bench.worker.stop(1.0))


def test_jobs_run_in_order_at_one_connection(bench: Bench) -> None:
    assert [bench.done(lambda session, each=number: each) for number in range(3)] == [0, 1, 2]
    assert bench.opened == 1 and bench.worker.trouble == ""


def test_a_failure_is_explained_and_the_next_job_has_a_new_connection(bench: Bench) -> None:
    with pytest.raises(PostgresError, match="explained: 'column'"):
        bench.done(_fail)
    assert bench.worker.trouble == "explained: 'column'"
    assert bench.done(lambda session: 1) == 1
    assert (bench.opened, bench.closed, bench.worker.trouble) == (2, 1, "")


def test_a_connection_that_cannot_even_be_closed_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Session, "close", _fail)
        with pytest.raises(PostgresError, match="explained: 'column'"):
            bench.done(_fail)
    assert bench.done(lambda session: 1) == 1
    assert (bench.opened, bench.worker.trouble) == (2, "")


def test_while_there_is_no_connection_jobs_say_why(bench: Bench) -> None:
    bench.done(lambda session: None)
    bench.refusal = PostgresError("the server is away")
    with pytest.raises(PostgresError):
        bench.done(_fail)
    for _ in range(2):
        with pytest.raises(PostgresError, match="the server is away"):
            bench.done(lambda session: 1)
    assert bench.worker.trouble == "the server is away"


def test_it_connects_without_a_job_but_not_more_often_than_the_backoff() -> None:
    bench = Bench()
    attempts: Queue[float] = Queue()

    def refuse(connected: object) -> Any:
        attempts.put(bench.seconds)
        raise PostgresError("the server is away")

    bench.worker = DatabaseWorker(bench.reactor, refuse, str, lambda session: None, lambda: bench.seconds)
    original, worker._TURN = worker._TURN, 0.002
    try:
        bench.worker.start()
        for pause in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
            bench.seconds += pause
            assert attempts.get(timeout=PATIENCE) == bench.seconds
        bench.seconds += 29.0
        with pytest.raises(PostgresError):
            bench.done(lambda session: 1)  # which proves that the thread has looked around
        assert attempts.qsize() == 1
    finally:
        worker._TURN = original
        bench.reactor.result(bench.worker.stop(1.0))


def test_a_server_that_does_not_answer_is_said_and_cut_off(bench: Bench) -> None:
    bench.done(lambda session: None)
    begun = Event()

    def hang(session: Session) -> None:
        begun.set()
        bench.line.is_cut.wait(PATIENCE)
        raise OSError("closed")

    hanging = bench.worker.submit(hang)
    assert begun.wait(PATIENCE)
    bench.seconds += SILENCE + 1
    bench.worker.check()
    assert bench.worker.trouble == "the server has not answered for 6 s" and not bench.line.is_cut.is_set()
    bench.seconds += ANSWER_TIME
    bench.worker.check()
    assert bench.line.is_cut.is_set()
    with pytest.raises(PostgresError, match="explained: closed"):
        bench.reactor.result(hanging)


def test_a_long_job_whose_statements_are_answered_is_not_cut_off(bench: Bench) -> None:
    bench.done(lambda session: None)
    begun, over = Event(), Event()

    def work(session: Session) -> str:
        begun.set()
        over.wait(PATIENCE)
        return "done"

    working = bench.worker.submit(work)
    assert begun.wait(PATIENCE)
    for _ in range(10):
        bench.seconds += ANSWER_TIME / 2
        bench.line.answers += 1
        bench.worker.check()
        assert bench.worker.trouble == ""
    over.set()
    assert bench.reactor.result(working) == "done" and not bench.line.is_cut.is_set()


def test_why_a_job_failed_stays_said_when_a_new_connection_is_made(bench: Bench) -> None:
    with pytest.raises(PostgresError):
        bench.done(_fail)
    bench.seconds += worker.LAST_BACKOFF
    for _ in range(2):
        # Of the connection that was made without a job.
        bench.seconds += worker.UPKEEP_INTERVAL
        bench.upkeeps.get(timeout=PATIENCE)
    assert bench.opened == 2
    assert bench.worker.trouble == "explained: 'column'"
    bench.reactor.result(bench.worker.submit(lambda session: None, delivers=False))
    assert bench.worker.trouble == "explained: 'column'"
    bench.done(lambda session: None)
    assert bench.worker.trouble == ""


def test_upkeep_is_done_now_and_then(bench: Bench) -> None:
    bench.done(lambda session: None)
    assert bench.upkeeps.empty()
    for _ in range(3):
        bench.seconds += worker.UPKEEP_INTERVAL
        bench.upkeeps.get(timeout=PATIENCE)
    assert bench.upkeeps.empty()


def test_upkeep_that_the_server_refuses_is_told_and_costs_neither_delivery_nor_connection(
    bench: Bench, log_lines: list[str]
) -> None:
    bench.upkeep_error = KeyError("table")
    for _ in range(2):
        bench.seconds += worker.UPKEEP_INTERVAL
        bench.done(lambda session: None)
        bench.done(lambda session: None)
    assert bench.worker.warning == "explained: 'table'"
    assert (bench.worker.trouble, bench.opened) == ("", 1)
    assert log_lines == ["PostgreSQL: upkeep of the tables failed: explained: 'table'"]
    bench.upkeep_error = None
    bench.seconds += worker.UPKEEP_INTERVAL
    bench.done(lambda session: None)
    bench.done(lambda session: None)
    assert bench.worker.warning == ""


def test_a_connection_that_is_lost_between_jobs_is_no_trouble_once_there_is_another(bench: Bench) -> None:
    bench.done(lambda session: None)
    bench.lost = OSError("gone")
    bench.seconds += worker.UPKEEP_INTERVAL
    bench.closings.get(timeout=PATIENCE)
    assert bench.worker.trouble == "explained: gone"
    bench.upkeeps.get(timeout=PATIENCE)
    bench.seconds += worker.UPKEEP_INTERVAL
    bench.upkeeps.get(timeout=PATIENCE)  # of the next connection
    assert (bench.worker.trouble, bench.opened) == ("", 2)


def test_a_stop_cuts_what_hangs_and_refuses_what_waits() -> None:
    bench = Bench()
    bench.worker.start()
    bench.done(lambda session: None)
    begun = Event()

    def hang(session: Session) -> None:
        begun.set()
        bench.line.is_cut.wait(PATIENCE)
        raise OSError("closed")

    hanging, waiting = bench.worker.submit(hang), bench.worker.submit(lambda session: 1)
    assert begun.wait(PATIENCE)
    stopping = bench.worker.stop(1.0)
    late = bench.worker.submit(lambda session: 1)
    bench.reactor.advance(0.5)
    for deferred in (hanging, waiting, late):
        with pytest.raises(PostgresError):
            bench.reactor.result(deferred)
    bench.reactor.result(stopping)
    assert not bench.reactor.getDelayedCalls()


def test_a_stop_does_not_wait_for_a_thread_that_cannot_be_ended() -> None:
    bench = Bench()
    release, begun = Event(), Event()

    def connect(connected: object) -> Any:
        begun.set()
        release.wait(PATIENCE)
        raise PostgresError("too late")

    bench.worker = DatabaseWorker(bench.reactor, connect, str, lambda session: None)
    bench.worker.start()
    assert begun.wait(PATIENCE)
    stopped: list[None] = []
    bench.worker.stop(1.0).addCallback(stopped.append)
    bench.reactor.advance(1.0)
    assert stopped == [None]
    release.set()


def test_what_was_not_started_is_stopped_at_once() -> None:
    stopped: list[None] = []
    Bench().worker.stop(1.0).addCallback(stopped.append)
    assert stopped == [None]
