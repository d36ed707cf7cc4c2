"""Lets the journal forget what every sink has taken and RETENTION_DAYS are over for."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.system.clock import Clock, Ticker

INTERVAL = 600.0
"""s"""
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
        self._ticker = Ticker(clock, INTERVAL, self.trim)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def trim(self) -> None:
        """Forget now, unless that is under way."""
        if self._running is None:
            self._running = Deferred.fromCoroutine(self._trim(self._now() - self.days * DAY))
            self._running.addCallbacks(self._trimmed, self._failed)

    async def _trim(self, before_at: float) -> int:
        events = await self._journal.events.trim(before_at, self._delivered())
        while await self._journal.downlinks.trim(before_at):
            pass
        return events

    def _trimmed(self, events: int) -> None:
        self._running = None
        if events:
            self.log.info("journal trimmed {events}", events=events)

    def _failed(self, failure: Failure) -> None:
        self._running = None
        self.log.warn("journal not trimmed {error}", error=failure.getErrorMessage())
