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
        minute = int(now // 60)
        if minute not in self._minutes:
            # Those to come are of before the clock was set back.
            self._minutes = Counter(
                {each: self._minutes[each] for each in self._minutes if _is_lately(each, minute)}
            )
        self._minutes[minute] += 1

    def count(self, now: float) -> int:
        """Return the number of happenings in the last ten minutes.

        :param now: Unix seconds.
        """
        present = int(now // 60)
        return sum(count for minute, count in self._minutes.items() if _is_lately(minute, present))


def _is_lately(minute: int, present: int) -> bool:
    return present - MINUTES < minute <= present
