"""Time, passed in: what the rooms need of a clock, and a reactor that keeps time evenly."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

Item = TypeVar("Item")
RunInThread = Callable[..., "Deferred[Any]"]
"""runs a function with its arguments in a thread: ``deferToThread``"""

_log = Logger()


class Timer(Protocol):
    """A call that will happen."""

    def active(self) -> bool: ...

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The part of ``IReactorTime`` that we use; ``task.Clock`` in tests."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


class Reactor(Clock, Protocol):
    """A clock that other threads can have things done by, in its own thread."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802
        """Run in the reactor's thread, soon."""


class Ticker:
    """Calls ``body`` every ``interval`` s; a body that raises is logged and called again."""

    def __init__(self, clock: Clock, interval: float, body: Callable[[], object]) -> None:
        self._interval = interval
        self._body = body
        self._loop = LoopingCall(self._guarded)
        self._loop.clock = clock  # type: ignore[assignment]

    def start(self, *, at_once: bool = False) -> None:
        """Start; nothing to do if it runs already.

        :param at_once: the first call comes now, else after one interval.
        """
        if not self._loop.running:
            self._loop.start(self._interval, now=at_once)

    def stop(self) -> None:
        """Stop; nothing to do if it does not run."""
        if self._loop.running:
            self._loop.stop()

    def _guarded(self) -> None:
        """Call the body, without waiting for a Deferred that it returns."""
        try:
            self._body()
        except Exception:
            _log.failure("periodic work failed {body}", body=self._body)


async def in_slices(clock: Clock, items: Sequence[Item], size: int) -> AsyncIterator[Sequence[Item]]:
    """Yield the items, ``size`` at a time, with a turn of the reactor between two slices for everybody
    else.
    """
    for first in range(0, len(items), size):
        if first:
            await turn(clock)
        yield items[first : first + size]


def turn(clock: Clock) -> Deferred[None]:
    """Let everybody else have a turn of the reactor."""
    return pause(clock, 0)


def pause(clock: Clock, seconds: float) -> Deferred[None]:
    """Wait. The Deferred may be cancelled; no timer stays behind."""
    over: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, over.callback, None)
    return over


async def let_go(clock: Clock, objects: list[Any], size: int) -> None:
    """Empty a list, ``size`` objects at a time, with turns of the reactor for everybody else in between.

    To free 100 000 objects at once takes 30 ms.
    """
    while len(objects) > size:
        del objects[-size:]
        await turn(clock)
    objects.clear()


def boot_seconds() -> float:
    """Return seconds since the machine started, by a clock that nobody sets and that no sleep stops."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def use_boot_time(reactor: Any) -> None:
    """Make a reactor measure its delays on CLOCK_BOOTTIME.

    Twisted's reactors read the system's clock: a step of it (NTP at boot) would fire or hold up every
    timer. CLOCK_MONOTONIC would stand still while a machine is suspended, or a virtual one paused: stations
    would seem to be there, and what was due in the meantime would come late by as long. The reactor itself
    sleeps on CLOCK_MONOTONIC, so that after a suspension timers are late by one of its naps, a second at most
    in a service that has a ticker of one second.

    Without effect on a reactor that has timers already.
    """
    if not reactor.getDelayedCalls():
        reactor.seconds = boot_seconds
