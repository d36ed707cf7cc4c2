"""Time, passed in: what the rooms need of a clock, and a reactor that keeps time evenly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import Logger

_log = Logger()


class Timer(Protocol):
    """A call that will happen."""

    def active(self) -> bool: ...

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The part of ``IReactorTime`` that we use; ``task.Clock`` in tests."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


class Ticker:
    """Calls ``body`` every ``interval`` s; a body that raises is logged and called again."""

    def __init__(self, clock: Clock, interval: float, body: Callable[[], object]) -> None:
        self._clock = clock
        self._interval = interval
        self._body = body
        self._timer: Timer | None = None

    def start(self) -> None:
        """First call after one interval; nothing if it runs already."""
        if self._timer is None:
            self._timer = self._clock.callLater(self._interval, self._tick)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _tick(self) -> None:
        self._timer = self._clock.callLater(self._interval, self._tick)
        try:
            self._body()
        except Exception:
            _log.failure("timer body failed {body}", body=self._body)


def use_monotonic_time(reactor: Any) -> None:
    """Make a reactor measure its delays on the monotonic clock.

    Twisted's reactors read the system's clock: a step of it (NTP at boot) would
    fire or hold up every timer. Without effect on a reactor that has timers already.
    """
    if not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic
