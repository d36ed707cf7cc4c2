"""Lets the journal forget what every sink has taken and RETENTION_DAYS are over for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.system.clock import Clock, Ticker

INTERVAL = 600.0
"""s between two looks for what is too old"""
LOOK_INTERVAL = 60.0
"""s between two looks at the fill"""
LOOKS = 1440
"""looks at the fill that growth is judged by: of a day"""
FULL_SOON = 0.8
"""share of the journal, filled by events that sinks have yet to take, at which to warn"""
DAY = 86400.0


def full_in(days: float | None) -> str:
    """Return ``, full in 2.5 days``; in hours below a day, and nothing if the journal does not fill up."""
    if days is None:
        return ""
    if days < 1:
        return f", full in {max(1, round(24 * days))} h"
    return f", full in {days:.{int(days < 10)}f} days"


class Retention:
    """Trims the journal now and then.

    :param delivered: the sequence number up to which every sink has taken all.
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
    ) -> None:
        self.days = days
        self._journal = journal
        self._now = now
        self._delivered = delivered
        self._running: Deferred[int] | None = None
        self._undelivered: deque[tuple[float, int]] = deque(maxlen=LOOKS)
        self._ticker = Ticker(clock, INTERVAL, self._tick)
        self._looking = Ticker(clock, LOOK_INTERVAL, self._look)
        self._warned = False

    def configure(self, days: float) -> None:
        """Change the days that events are kept."""
        self.days = days

    def start(self) -> None:
        self._look()
        self._ticker.start()
        self._looking.start()

    def stop(self) -> None:
        self._ticker.stop()
        self._looking.stop()

    def days_left(self) -> float | None:
        """Return the days until the journal is full, if what is undelivered grows as it did today; None: it
        does not.
        """
        usage = self._journal.usage()
        if not self._undelivered:
            return None
        began_at, then = self._undelivered[0]
        seconds = self._now() - began_at
        growth = usage.undelivered - then
        if growth <= 0 or seconds <= 0:
            return None
        return (usage.max_size - usage.undelivered) / (growth / seconds) / DAY

    def _tick(self) -> None:
        self.trim()
        self._warned = False

    def _look(self) -> None:
        """Look at the fill; warn as soon as there is need, then with each trim."""
        usage, days = self._journal.usage(), self.days_left()
        self._undelivered.append((self._now(), usage.undelivered))
        if usage.share >= FULL_SOON and not self._warned:
            self._warned = True
            self.log.warn(
                "journal {percent} % full of what sinks have yet to take{full_in}; uplinks are refused then:"
                " see which sink does not deliver, or raise JOURNAL_MAX_SIZE",
                percent=round(100 * usage.share),
                full_in=full_in(days),
            )

    def trim(self) -> None:
        """Forget now, unless that is under way."""
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
