"""Clocks and timers that are passed as arguments, and a reactor whose time is never set."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

Item = TypeVar("Item")
RunInThread = Callable[..., "Deferred[Any]"]
"""signature of ``deferToThread``, which runs a function with its arguments in a thread"""

TURN = 0.005
"""s of one turn of the reactor after which those who have yielded to it go on in the next"""

_log = Logger()


class Timer(Protocol):
    """A delayed call, as ``callLater`` returns it."""

    def active(self) -> bool: ...

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The part of ``IReactorTime`` that we use; ``task.Clock`` in tests."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


def within(seconds: float, waiting: Deferred[Item], clock: Clock) -> Deferred[Item]:
    """Return ``waiting``, which is cancelled and fails with Twisted's ``TimeoutError`` after so many s."""
    return waiting.addTimeout(seconds, clock)  # type: ignore[arg-type]  # a part of a reactor is enough


class Reactor(Clock, Protocol):
    """A clock to whose thread other threads can pass calls."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802
        """Call ``callable`` in the reactor's thread, soon."""


class Ticker:
    """Calls ``body`` every ``interval`` s; an exception is logged, and the next call comes all the same."""

    def __init__(self, clock: Clock, interval: float, body: Callable[[], object]) -> None:
        self._interval = interval
        self._body = body
        self._loop = LoopingCall(self._guarded)
        self._loop.clock = clock  # type: ignore[assignment]

    def start(self, *, at_once: bool = False) -> None:
        """Start; without effect if it is running already.

        :param at_once: make the first call now instead of after one interval.
        """
        if not self._loop.running:
            self._loop.start(self._interval, now=at_once)

    def stop(self) -> None:
        """Stop; without effect if it is not running."""
        if self._loop.running:
            self._loop.stop()

    def _guarded(self) -> None:
        """Call the body without waiting for a Deferred that it may return."""
        try:
            self._body()
        except Exception:
            _log.failure("periodic work failed {body}", body=self._body)


async def in_slices(clock: Clock, items: Sequence[Item], size: int) -> AsyncIterator[Sequence[Item]]:
    """Yield the items in slices of ``size``, yielding to the reactor between slices."""
    for first in range(0, len(items), size):
        if first:
            await turn(clock)
        yield items[first : first + size]


async def in_turns(clock: Clock, items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield the items one by one, yielding to the reactor each time that :data:`TURN` is used up.

    For items of which each may take long, and most do not.
    """
    end = clock.seconds() + TURN
    for item in items:
        if clock.seconds() >= end:
            await turn(clock)
            end = clock.seconds() + TURN
        yield item


def turn(clock: Clock) -> Deferred[None]:
    """Yield to the reactor; the Deferred fires in one of the next turns.

    Of all who have yielded, those who wait longest go on until :data:`TURN` is used up, the others in the
    turns after that: many at the same time would each take a slice of one turn.
    """
    turns = _turns.get(clock)
    if turns is None:
        turns = _turns[clock] = _Turns()
    return turns.wait(clock)


class _Turns:
    """Queue of those who have yielded to one clock, the longest first."""

    def __init__(self) -> None:
        self._waiting: deque[Deferred[None]] = deque()
        self._timer: Timer | None = None

    def wait(self, clock: Clock) -> Deferred[None]:
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        self._ask(clock)
        return waiting

    def _ask(self, clock: Clock) -> None:
        if self._waiting and self._timer is None:
            self._timer = clock.callLater(0, self._go_on, clock)

    def _go_on(self, clock: Clock) -> None:
        self._timer = None
        end = clock.seconds() + TURN
        # Whoever yields again meanwhile has had its slice of this turn.
        for _ in range(len(self._waiting)):
            if not self._waiting:
                break
            self._waiting.popleft().callback(None)
            if clock.seconds() >= end:
                break
        self._ask(clock)


_turns: WeakKeyDictionary[Clock, _Turns] = WeakKeyDictionary()


def pause(clock: Clock, seconds: float) -> Deferred[None]:
    """Wait for ``seconds``. Cancelling the Deferred cancels the timer."""
    over: Deferred[None] = Deferred(lambda _: timer.cancel())
    timer = clock.callLater(seconds, over.callback, None)
    return over


async def let_go(clock: Clock, objects: list[Any], size: int) -> None:
    """Empty a list, ``size`` objects at a time, yielding to the reactor in between.

    Freeing 100 000 objects at once takes 30 ms.
    """
    while len(objects) > size:
        del objects[-size:]
        await turn(clock)
    objects.clear()


class Countdown:
    """A timer for work in progress, which calls when nothing has progressed for some seconds.

    It counts :data:`STEPS` short timers, not seconds: when the process was stopped, the machine suspended or
    one turn of the reactor long, that is one step, as the work could not progress either.

    :param seconds: s of a running reactor until it calls.
    """

    def __init__(self, clock: Clock, seconds: float, call: Callable[[], object]) -> None:
        self._clock = clock
        self._step = seconds / STEPS
        self._call = call
        self._left = STEPS
        self._timer = clock.callLater(self._step, self._stepped)

    def restart(self) -> None:
        """Begin again, as the work has progressed."""
        self._left = STEPS

    def cancel(self) -> None:
        """Never call."""
        if self._timer.active():
            self._timer.cancel()

    def _stepped(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._timer = self._clock.callLater(self._step, self._stepped)
        else:
            self._call()


def boot_seconds() -> float:
    """Return seconds since the machine booted; the clock is never set and runs on during a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


STEPS = 5
"""steps of a :class:`Countdown`"""
JUMP = 1.0
"""s by which the time of day is set at once, and not merely corrected"""


class SteadyTime:
    """Unix time for stored points in time, which continues steadily when the system clock is set.

    When :meth:`jump` reports that the clock was set, the user of this object moves the times that it has
    stored, and calls :meth:`follow`. Delays thus keep their length, and stored times are correct again.

    :param clock: measures delays.
    :param now: returns Unix seconds by the system clock.
    """

    def __init__(self, clock: Clock, now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        self._offset = now() - clock.seconds()

    def __call__(self) -> float:
        return self._clock.seconds() + self._offset

    def jump(self) -> float:
        """Return the seconds by which the system clock was set; 0 if it was merely adjusted."""
        ahead = self._now() - self()
        if abs(ahead) >= JUMP:
            return ahead
        self._offset += ahead
        return 0.0

    def follow(self, seconds: float) -> None:
        """Follow the system clock, which was set by this many seconds."""
        self._offset += seconds


def use_boot_time(reactor: Any) -> None:
    """Make a reactor measure its delays on CLOCK_BOOTTIME.

    Twisted's reactors read the system clock: a step of it (NTP at boot) would fire or delay every timer.
    CLOCK_MONOTONIC stops while a machine is suspended or a virtual machine paused: stations would seem to
    be connected, and every timer would be late by the length of the suspend. The reactor itself still sleeps
    on CLOCK_MONOTONIC: after a suspend, timers are late by the rest of one sleep, which is at most a second
    in a service that has a ticker of one second.

    Without effect on a reactor that has timers already.
    """
    if not reactor.getDelayedCalls():
        reactor.seconds = boot_seconds
