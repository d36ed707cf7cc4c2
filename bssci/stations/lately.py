"""Counts of what happened in the last ten minutes."""

from __future__ import annotations

from collections import Counter

MINUTES = 10


class Lately:
    """A count of happenings by the minute, of which the last ten are kept."""

    def __init__(self) -> None:
        self._minutes: Counter[int] = Counter()

    def add(self, now: float) -> None:
        """Count something that happens now.

        :param now: Unix seconds.
        """
        self._minutes[int(now // 60)] += 1
        if len(self._minutes) > MINUTES:
            del self._minutes[min(self._minutes)]

    def count(self, now: float) -> int:
        """Return the number of happenings in the last ten minutes.

        :param now: Unix seconds.
        """
        first = int(now // 60) - MINUTES
        return sum(count for minute, count in self._minutes.items() if minute > first)
