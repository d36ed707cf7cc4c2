"""Sparing lines in the log about what may happen hundreds of times a second."""

from __future__ import annotations

from collections.abc import Callable

INTERVAL = 10.0
"""s from one line to the next"""


class Pace:
    """Lets something be logged at once, and then again after some seconds at the earliest.

    :param seconds: returns seconds of a clock that is never set.
    """

    def __init__(self, seconds: Callable[[], float], interval: float = INTERVAL) -> None:
        self._seconds = seconds
        self._interval = interval
        self._next = float("-inf")

    def is_due(self) -> bool:
        """Return whether to log it now; if so, the next time is counted from now."""
        now = self._seconds()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
