"""Runs that end together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from bssci.simulator.running import Course, interrupt, run_together


class Run:
    def __init__(self) -> None:
        self.finished: Deferred[None] = Deferred()
        self.interrupted = 0

    def start(self) -> Deferred[None]:
        return self.finished

    def interrupt(self) -> Deferred[None] | None:
        self.interrupted += 1
        return None if self.finished.called else self.finished


class Reactor:
    """Does at once what comes when it runs."""

    def __init__(self) -> None:
        self.running = False
        self.stops = 0
        self.before_shutdown: tuple[Any, ...] = ()

    def callWhenRunning(self, call: Callable[..., object], *arguments: Any) -> None:
        self.running = True
        call(*arguments)

    def callLater(self, delay: float, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    def addSystemEventTrigger(self, phase: str, event: str, *call: Any) -> None:
        self.before_shutdown = call

    def run(self) -> None:
        """Stands for the whole run."""

    def stop(self) -> None:
        self.running = False
        self.stops += 1


def test_the_first_that_ends_ends_the_others_and_the_last_the_reactor() -> None:
    reactor, first, second = Reactor(), Run(), Run()
    run_together(reactor, [first, second])
    first.finished.callback(None)
    assert (second.interrupted, reactor.stops) == (1, 0)
    second.finished.callback(None)
    assert reactor.stops == 1


def test_a_signal_waits_for_all() -> None:
    reactor, run = Reactor(), Run()
    run_together(reactor, [run])
    call, *arguments = reactor.before_shutdown
    closed: list[object] = []
    call(*arguments).addCallback(closed.append)
    assert (run.interrupted, closed) == (1, [])
    run.finished.callback(None)
    assert len(closed) == 1


def test_what_has_ended_is_not_waited_for() -> None:
    run = Run()
    run.finished.callback(None)
    closed: list[object] = []
    interrupt([run]).addCallback(closed.append)
    assert closed == [[]]


def test_a_course_is_waited_for_from_its_beginning_to_its_end() -> None:
    async def body() -> None:
        await end

    end: Deferred[None] = Deferred()
    course = Course()
    assert course.when_ended() is None
    finished = course.begin(body())
    ended = course.when_ended()
    assert ended is not None and not ended.called
    end.callback(None)
    assert finished.called and ended.called
    assert course.when_ended() is None


def test_who_waits_for_a_course_hears_of_its_end_and_who_began_it_of_its_failure() -> None:
    async def body() -> None:
        await end

    end: Deferred[None] = Deferred()
    course = Course()
    failures: list[object] = []
    course.begin(body()).addErrback(failures.append)
    ended = course.when_ended()
    assert ended is not None
    end.errback(ValueError())
    assert ended.called and ended.result is None
    assert len(failures) == 1
