"""Deletion of events that every sink has taken and that are older than RETENTION_DAYS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.system.clock import Clock, SteadyTime, Ticker
from bssci.system.utc import DAY

INTERVAL = 600.0
"""s between two runs"""
LOOK_INTERVAL = 60.0
"""s between two measurements of the fill level"""
LOOKS = 1440
"""measurements from which growth is estimated: those of one day"""
DOUBT = 3600.0
"""s that a clock which was set must stay as it is before anything is forgotten by it"""
FULL_SOON, FULL = 0.8, 0.97
"""shares of the journal taken up by undelivered events, from which on it is a warning, or an error"""


def full_in(days: float | None) -> str:
    """Return ``, full in 2.5 days``, in hours if less than a day; empty if the journal does not fill up."""
    if days is None:
        return ""
    if days < 1:
        return f", full in {max(1, round(24 * days))} h"
    return f", full in {days:.{int(days < 10)}f} days"


class Retention:
    """Trims the journal periodically.

    :param days: age in days at which events are deleted.
    :param now: returns Unix seconds.
    :param last_event_at: Unix seconds of the newest event at the start. A clock that is far beyond is doubted
        as one that was set: a machine may start with a wrong year.
    :param delivered: returns the number of the last event that every sink has taken.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        days: float,
        now: Callable[[], float],
        delivered: Callable[[], int],
        last_event_at: float = 0.0,
    ) -> None:
        self.days = days
        self._journal = journal
        self._now = SteadyTime(clock, now)
        if last_event_at and self._now() - last_event_at > DAY:
            self._now.follow(last_event_at - self._now())
        self._clock = clock
        self._doubt: tuple[float, float] | None = None
        """a clock that was set: by how many s, and until when (on the monotonic clock) that is doubted"""
        self._delivered = delivered
        self._running: Deferred[int] | None = None
        self._undelivered: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        """measurements: seconds of the monotonic clock, and bytes of undelivered events"""
        self._ticker = Ticker(clock, INTERVAL, self._tick)
        self._looking = Ticker(clock, LOOK_INTERVAL, self._look)
        self._warned = False

    def configure(self, days: float) -> None:
        """Change the age in days at which events are deleted."""
        self.days = days

    def start(self) -> None:
        self._look()
        self._ticker.start()
        self._looking.start()

    def stop(self) -> None:
        self._ticker.stop()
        self._looking.stop()

    def days_left(self) -> float | None:
        """Return the days until the journal is full at the last day's growth; None if it does not grow."""
        usage = self._journal.usage()
        if not self._undelivered:
            return None
        began_at, then = self._undelivered[0]
        seconds = self._clock.seconds() - began_at
        growth = usage.undelivered - then
        if growth <= 0 or seconds <= 0:
            return None
        return (usage.max_size - usage.undelivered) / (growth / seconds) / DAY

    def _tick(self) -> None:
        self._look_at_clock()
        self.trim()
        self._warned = False

    def _look_at_clock(self) -> None:
        """Believe a clock that was set only after a while: a wrong year would cost all that is kept."""
        jump, now = self._now.jump(), self._clock.seconds()
        if not jump:
            self._doubt = None
        elif self._doubt is None or abs(jump - self._doubt[0]) > 1:
            self._doubt = jump, now + DOUBT
        elif now >= self._doubt[1]:
            self._now.follow(jump)
            self._doubt = None

    def _look(self) -> None:
        """Measure the fill level; warn at once when it is high, and then once after each trim."""
        usage, days = self._journal.usage(), self.days_left()
        self._undelivered.append((self._clock.seconds(), usage.undelivered))
        if usage.share >= FULL_SOON and not self._warned:
            self._warned = True
            self.log.warn(
                "journal {percent} % full of undelivered events{full_in}; uplinks are refused then:"
                " check which sink does not deliver, or raise JOURNAL_MAX_SIZE",
                percent=round(100 * usage.share),
                full_in=full_in(days),
            )

    def trim(self) -> None:
        """Trim the journal now, unless that is under way."""
        if self._running is None:
            self._running = Deferred.fromCoroutine(self._trim(self._now() - self.days * DAY))
            self._running.addCallbacks(self._trimmed, self._failed)

    async def _trim(self, before_at: float) -> int:
        events = await self._journal.events.trim(before_at, self._delivered())
        while await self._journal.downlinks.trim(before_at):
            pass
        while await self._journal.requests.trim(before_at):
            pass
        return events

    def _trimmed(self, events: int) -> None:
        self._running = None
        if events:
            self.log.info("journal trimmed {events}", events=events)

    def _failed(self, failure: Failure) -> None:
        self._running = None
        self.log.warn("journal not trimmed {error}", error=failure.getErrorMessage())
