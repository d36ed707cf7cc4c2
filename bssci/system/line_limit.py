"""A limit on log lines that somebody else can cause, as often as they like."""

from __future__ import annotations

from collections.abc import Callable

LINES = 20
"""lines of one kind that are logged in a period, at most"""
PERIOD = 60.0
"""s of a period"""


class LineLimit:
    """A limit on the lines of one kind.

    :param seconds: returns the s of a clock.
    :param lines: lines that are logged in a period, at most.
    """

    def __init__(self, seconds: Callable[[], float], lines: int = LINES) -> None:
        self._seconds = seconds
        self._lines = lines
        self._since = float("-inf")
        self._count = 0

    def admit(self) -> int | None:
        """Return how many lines were left out before this one; None: this one is left out, too."""
        now = self._seconds()
        left_out = 0
        if not 0 <= now - self._since < PERIOD:
            left_out = max(0, self._count - self._lines)
            self._since, self._count = now, 0
        self._count += 1
        return left_out if self._count <= self._lines else None
