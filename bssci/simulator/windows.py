"""Downlink windows that uplinks open: each begins a fixed time after its uplink."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from bssci.simulator.sensor import RadioTelegram

WINDOW_DELAY = 0.5
"""Seconds from an uplink to the downlink window that it opens."""


class Windows:
    """Pending windows. As all have the same delay, a queue and a single timer are enough.

    :param use: called with the uplink when its window begins.
    """

    def __init__(self, clock: IReactorTime, use: Callable[[RadioTelegram], None]) -> None:
        self._clock = clock
        self._use = use
        self._ahead: deque[tuple[float, RadioTelegram]] = deque()
        self._timer: IDelayedCall | None = None

    def open_after(self, telegram: RadioTelegram) -> None:
        """Plan the window in which the sensor listens after an uplink."""
        self._ahead.append((self._clock.seconds() + WINDOW_DELAY, telegram))
        if self._timer is None:
            self._timer = self._clock.callLater(WINDOW_DELAY, self._use_due)

    def clear(self) -> None:
        """Drop all pending windows."""
        self._ahead.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _use_due(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._ahead and self._ahead[0][0] <= now:
            self._use(self._ahead.popleft()[1])
        if self._ahead:
            self._timer = self._clock.callLater(self._ahead[0][0] - now, self._use_due)
