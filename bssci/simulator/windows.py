"""Downlink windows opened by uplinks: each is used a fixed time later, in the order of opening."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from bssci.simulator.sensor import RadioTelegram

WINDOW_DELAY = 0.5
"""Seconds from an uplink to the downlink window that it opens."""


class Windows:
    """All windows are equally far ahead, so that a queue and one timer serve them all.

    :param use: called with the uplink when its window is there.
    """

    def __init__(self, clock: IReactorTime, use: Callable[[RadioTelegram], None]) -> None:
        self._clock = clock
        self._use = use
        self._ahead: deque[tuple[float, RadioTelegram]] = deque()
        self._timer: IDelayedCall | None = None

    def open_after(self, telegram: RadioTelegram) -> None:
        """Open a window after this uplink, in which the sensor will listen."""
        self._ahead.append((self._clock.seconds() + WINDOW_DELAY, telegram))
        if self._timer is None:
            self._timer = self._clock.callLater(WINDOW_DELAY, self._use_due)

    def clear(self) -> None:
        """Let all windows that are ahead pass unused."""
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
