"""A limit on log lines that somebody else can cause, as often as they like."""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb

LINES = 20
"""lines of one kind that are logged in a period, at most"""
PERIOD = 60.0
"""s of a period"""
LOG_EVERY = 100
"""of faults that are alike, the first is logged, and then one in this many"""
FAULTS = 100
"""places of faults that are told apart"""


def is_logged(count: int) -> bool:
    """Return whether a fault is logged, of those that are alike: the first, and then one in a hundred.

    :param count: number of these faults, including this one.
    """
    return count % LOG_EVERY == 1


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


class FaultLimit:
    """A limit on tracebacks of what comes without end: each fault is logged once in a period.

    :param seconds: returns the s of a clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._limits: dict[tuple[str, int], LineLimit] = {}
        """by file and line where the exception was raised"""

    def admit(self, error: BaseException) -> int | None:
        """Return how many lines were left out before this one; None: this one is left out, too."""
        *_, (frame, line) = walk_tb(error.__traceback__)
        place = frame.f_code.co_filename, line
        if place not in self._limits:
            if len(self._limits) >= FAULTS:
                self._limits.clear()
            self._limits[place] = LineLimit(self._seconds, lines=1)
        return self._limits[place].admit()


def telling(text: str, left_out: int) -> str:
    """Return the format of a log line that also says how many lines were left out before it, if any were.

    :param text: the line's own format; the number is its field ``left_out``.
    """
    if not left_out:
        return text
    return f"{text}, {{left_out}} {'line' if left_out == 1 else 'lines'} left out"
