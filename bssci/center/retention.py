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
LOOKS = 144
"""looks at the fill that growth is judged by: of a day"""
FULL_SOON = 0.8
"""share of the journal, filled by events that sinks have yet to take, at which to warn"""
DAY = 86400.0


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

    def configure(self, days: float) -> None:
        """Change the days that events are kept."""
        self.days = days

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

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
        usage, days = self._journal.usage(), self.days_left()
        self._undelivered.append((self._now(), usage.undelivered))
        if usage.share >= FULL_SOON:
            self.log.warn(
                "journal {percent} % full of what sinks have yet to take, full in {days} days; uplinks are "
                "refused then: see which sink does not deliver, or raise JOURNAL_MAX_SIZE",
                percent=round(100 * usage.share),
                days="some" if days is None else f"{days:.1f}",
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
