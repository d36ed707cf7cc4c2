"""Feed of stored events, which is read at a limited pace so that ingest comes first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal, StorageLines
from bssci.model import AnyEvent
from bssci.system.clock import Clock, Timer, turn
from bssci.web.outside import Decode

PACE = 0.1
"""s between times at which the journal is read"""
BATCH = 500
"""events that are read at a time"""
MAX_BEHIND = 5000
"""events by which the feed may be behind; beyond that it skips to the newest"""
RETRY = 5.0
"""s until events that could not be read are read again"""
FEW = 5
"""events that are handled before looking at the time"""
SLICE = 0.01
"""s of handling events after which it yields to the reactor"""

Numbered = Sequence[tuple[int, AnyEvent]]


class FeedReader(Protocol):
    """Receiver of the events of a feed."""

    def take(self, numbered: Numbered) -> AsyncIterator[int]:
        """Handle events in order; after each step yield the number of the last event that was handled."""

    def skipped(self, count: int) -> None:
        """Handle that events were skipped, because there were too many or because handling them failed."""


class Watcher(Protocol):
    """A receiver that handles events without waiting."""

    def events(self, numbered: Numbered) -> None: ...

    def skipped(self, count: int) -> None:
        """Handle that events were skipped."""


class Watching:
    """A :class:`FeedReader` that passes the events on to a watcher.

    It does so in slices of time, as each of many viewers may search large events for a text.

    :param decode: returns the function that adds readings to events; None if nobody needs them now.
    """

    def __init__(
        self, clock: Clock, watcher: Watcher, decode: Callable[[], Decode | None] = lambda: None
    ) -> None:
        self._clock = clock
        self._watcher = watcher
        self._decode = decode

    async def take(self, numbered: Numbered) -> AsyncIterator[int]:
        decode = self._decode()
        if decode is not None:
            decoded = await decode([event for _, event in numbered])
            numbered = [(seq, event) for (seq, _), event in zip(numbered, decoded, strict=True)]
        began = self._clock.seconds()
        for first in range(0, len(numbered), FEW):
            if self._clock.seconds() - began > SLICE:
                await turn(self._clock)
                began = self._clock.seconds()
            few = numbered[first : first + FEW]
            self._watcher.events(few)
            yield few[-1][0]

    def skipped(self, count: int) -> None:
        self._watcher.skipped(count)


class Feed:
    """The new events of the journal, each handed out once, in order."""

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, reader: FeedReader) -> None:
        self._clock = clock
        self._journal = journal
        self._reader = reader
        self.position = journal.events.last_seq
        """number of the last event that was handed out"""
        self._timer: Timer | None = None
        self._reading = False
        self._failing = False
        self._lines = StorageLines(self.log, clock.seconds)
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        self.position = self._journal.events.last_seq
        self._unsubscribe = self._journal.events.subscribe(self._stored)

    def stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stored(self) -> None:
        self._read_in(PACE)

    def _read_in(self, seconds: float) -> None:
        if self._timer is None and not self._reading and self._unsubscribe is not None:
            self._timer = self._clock.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._reading = True
        ensureDeferred(self._read()).addCallbacks(self._was_read, self._not_read)

    async def _read(self) -> None:
        last = self._journal.events.last_seq
        behind = last - self.position
        if behind > MAX_BEHIND:
            self.position = last - BATCH
            self._reader.skipped(behind - BATCH)
        entries = await self._journal.events.read(self.position, BATCH)
        if not entries:
            self.position = last
            return
        try:
            async for position in self._reader.take(entries):
                self.position = position
        except Exception:  # events that cannot be handled must not be read forever
            self.log.failure("events not shown {first}", first=self.position + 1)
            missed = sum(seq > self.position for seq, _ in entries)
            self.position = entries[-1][0]
            self._reader.skipped(missed)

    def _was_read(self, _: None) -> None:
        self._reading = self._failing = False
        if self.position < self._journal.events.last_seq:
            self._read_in(PACE)

    def _not_read(self, failure: Failure) -> None:
        self._reading = False
        if not self._failing:
            self._failing = True
            self._lines.note(failure, "events not read, tried again every {seconds} s", seconds=RETRY)
        self._read_in(RETRY)
