"""Listening time: the time in which sensors could have been heard, because a base station was connected.

Stored as intervals in which at least one station was connected. The current one is extended in the journal
while it lasts, so that after a kill it is known until when the service listened. The time from then until a
station connects again is not listening time.

    connected   |=======|      |====|..killed..          |=====> now
    mark               30 s      30 s ^                  ^ the first station after the start
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from math import inf

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.write_behind import WriteBehind
from bssci.journal import Journal, ListeningRecord, Loaded
from bssci.model import EUI, StationState
from bssci.system.clock import Clock

CLOCK_STEP = 60.0
"""s that the system clock may deviate between two readings; if more, it was set, or the machine suspended"""
MAX_INTERVALS = 4096
"""intervals that are kept; beyond that the two oldest are merged, with their total length unchanged"""


class Listening:
    """The intervals in which stations were connected.

    :param clock: the monotonic clock.
    :param now: returns Unix seconds. Time that is skipped when the clock is set forward, or while the machine
        is suspended, is not listening time; when it is set back, intervals in the future are dropped.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, loaded: Loaded, now: Callable[[], float]) -> None:
        self._clock = clock
        self._journal = journal
        self._now = now
        self._seen = now(), clock.seconds()
        self._connected: set[EUI] = set()
        self._first = 0
        # Parallel lists; the end of the current interval is infinite.
        self._begins: list[float] = []
        self._ends: list[float] = []
        self._sums: list[float] = []
        for number, interval in loaded.listening.items():
            self._first = self._first if self._begins else number
            self._append(interval.began_at, interval.ended_at)
        self._behind = WriteBehind[int](clock, "listening time", self._write, before=self._mark)

    def start(self) -> None:
        self._behind.start()

    def stop(self) -> None:
        """Store the current interval; the journal may be closed after that."""
        self._behind.stop()

    def station_changed(self, state: StationState) -> None:
        """Note that a base station connected or disconnected."""
        now = self._follow_clock()
        listened = self.is_listening
        if state.state == "online":
            self._connected.add(state.base_station_eui)
        else:
            self._connected.discard(state.base_station_eui)
        if self.is_listening and not listened:
            self._open(now)
        elif listened and not self.is_listening:
            self._close(now)
        self._behind.store()

    @property
    def is_listening(self) -> bool:
        """Return whether a station is connected."""
        return bool(self._connected)

    def total(self) -> float:
        """Return the seconds of listening time until now."""
        return self.until(self._follow_clock())

    def until(self, at: float) -> float:
        """Return the seconds of listening time until ``at`` (Unix seconds), from an arbitrary origin."""
        index = bisect_right(self._begins, at) - 1
        if index < 0:
            return 0.0
        return self._sums[index] + min(at, self._ends[index]) - self._begins[index]

    def latest(self, total: float) -> float:
        """Return the latest Unix seconds at which :meth:`until` is at most ``total``; ``-inf``: at none.

        :param total: less than the listening time until now.
        """
        index = bisect_right(self._sums, total) - 1
        return -inf if index < 0 else self._begins[index] + total - self._sums[index]

    # intervals

    def _open(self, now: float) -> None:
        while self._begins and self._begins[-1] >= now:
            self._behind.changed[self._last] = None
            del self._begins[-1], self._ends[-1], self._sums[-1]
        if self._ends and self._ends[-1] > now:
            self._close(now)
        self._append(now, inf)
        self._behind.changed[self._last] = None
        if len(self._begins) > MAX_INTERVALS:
            self._join_oldest()

    def _close(self, now: float) -> None:
        self._ends[-1] = max(now, self._begins[-1])
        self._behind.changed[self._last] = None

    def _append(self, began_at: float, ended_at: float) -> None:
        self._sums.append(self._sums[-1] + self._ends[-1] - self._begins[-1] if self._sums else 0.0)
        self._begins.append(began_at)
        self._ends.append(ended_at)

    def _join_oldest(self) -> None:
        length = self._ends[0] - self._begins[0]
        del self._begins[0], self._ends[0], self._sums[0]
        self._begins[0] -= length
        self._sums[0] -= length
        self._behind.update((self._first, self._first + 1))
        self._first += 1

    @property
    def _last(self) -> int:
        """The number of the last interval."""
        return self._first + len(self._begins) - 1

    def _follow_clock(self) -> float:
        """Return the time in Unix seconds; at a step of the clock, end the interval and begin another."""
        now, monotonic = self._now(), self._clock.seconds()
        last_now, last_monotonic = self._seen
        self._seen = now, monotonic
        expected = last_now + monotonic - last_monotonic
        if abs(now - expected) > CLOCK_STEP:
            self.log.warn(
                "clock jumped: it was set, or the machine was suspended {seconds}",
                seconds=round(now - expected),
            )
            if self.is_listening:
                self._close(expected)
                self._open(now)
        return now

    # storing

    def _mark(self) -> None:
        self._follow_clock()
        if self.is_listening:
            self._behind.changed[self._last] = None

    def _write(self, numbers: Collection[int], through: int | None) -> Deferred[None]:
        return self._journal.tables.apply(ListeningRecord, {each: self._interval(each) for each in numbers})

    def _interval(self, number: int) -> ListeningRecord | None:
        index = number - self._first
        if not 0 <= index < len(self._begins):
            return None
        ended_at = min(self._ends[index], self._seen[0])
        return ListeningRecord(number=number, began_at=self._begins[index], ended_at=ended_at)
