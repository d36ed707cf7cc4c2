"""Every event as it is stored, read once for all who watch: the live stream and the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.model import AnyEvent
from bssci.system.clock import Clock, Timer

PACE = 0.1
"""s between readings"""
BATCH = 500
"""events of one reading"""
MAX_BEHIND = 5000
"""events; who would have to read more goes on with the newest"""


class Watcher(Protocol):
    """A reader of the feed, which is shown events in their order."""

    def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None: ...

    def skipped(self, count: int) -> None:
        """Take note of events that went by unseen: there were too many at once."""


class Feed:
    """The journal's new events, followed at a bounded pace, so that ingest comes first."""

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, watchers: Sequence[Watcher]) -> None:
        self._clock = clock
        self._journal = journal
        self._watchers = watchers
        self.position = journal.events.last_seq
        """number of the last event that was seen"""
        self._timer: Timer | None = None
        self._reading = False
        self._running = False
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        self.position = self._journal.events.last_seq
        self._running = True
        self._unsubscribe = self._journal.events.subscribe(self._stored)

    def stop(self) -> None:
        self._running = False
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stored(self) -> None:
        if self._timer is None and not self._reading and self._running:
            self._timer = self._clock.callLater(PACE, self._due)

    def _due(self) -> None:
        self._timer = None
        self._reading = True
        ensureDeferred(self._read()).addErrback(self._not_read).addCallback(self._finished)

    async def _read(self) -> None:
        last = self._journal.events.last_seq
        behind = last - self.position
        if behind > MAX_BEHIND:
            skipped = behind - BATCH
            self.position += skipped
            for watcher in self._watchers:
                watcher.skipped(skipped)
        entries = await self._journal.events.read(self.position, BATCH)
        self.position = entries[-1][0] if entries else last
        for watcher in self._watchers:
            watcher.events(entries)

    def _not_read(self, failure: Failure) -> None:
        self.log.failure("events not watched", failure)

    def _finished(self, _: None) -> None:
        self._reading = False
        if self.position < self._journal.events.last_seq:
            self._stored()
