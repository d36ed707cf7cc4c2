"""Runs that share a reactor and end together: stations with sensors, and gateways."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred


class Run(Protocol):
    """A part of a simulation."""

    def start(self) -> Deferred[None]:
        """Begin; fires when the run has ended and everything is closed."""

    def interrupt(self) -> Deferred[None] | None:
        """End early; fires when everything is closed. None if it is closed already."""


class Course:
    """The course of a run, which begins once, and whose end can be waited for."""

    def __init__(self) -> None:
        self._finished: Deferred[None] | None = None

    def begin(self, body: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        """Run ``body``; fires when it has ended, with its failure if it failed."""
        self._finished = Deferred()
        ensureDeferred(body).addBoth(self._finished.callback)
        return self._finished

    def when_ended(self) -> Deferred[None] | None:
        """Return a Deferred that fires at the end of the run; None if it has ended or never began."""
        if self._finished is None or self._finished.called:
            return None
        ended: Deferred[None] = Deferred()

        def tell(result: object) -> object:
            ended.callback(None)
            return result

        self._finished.addBoth(tell)
        return ended


def run_together(reactor: Any, runs: Sequence[Run]) -> None:
    """Run the reactor until all runs have ended. The end of the first run, or a signal, ends the others."""
    reactor.callWhenRunning(_start, reactor, runs)
    reactor.addSystemEventTrigger("before", "shutdown", interrupt, runs)
    reactor.run()


def interrupt(runs: Sequence[Run]) -> Deferred[Any]:
    """End all runs early; fires when they are closed."""
    ending = [closed for run in runs if (closed := run.interrupt()) is not None]
    return DeferredList(ending, consumeErrors=True)


def _start(reactor: Any, runs: Sequence[Run]) -> None:
    left = len(runs)

    def ended(result: object) -> object:
        nonlocal left
        left -= 1
        if left:
            interrupt(runs)
        elif reactor.running:
            reactor.callLater(0, _stop, reactor)
        return result

    for run in runs:
        run.start().addBoth(ended)


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()
