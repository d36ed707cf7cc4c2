"""The journal's new events with their readings, at a bounded pace, so that ingest comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.model import AnyEvent
from bssci.system.clock import Clock, Timer, in_slices

PACE = 0.1
"""s between readings"""
BATCH = 500
"""events of one reading"""
SLICE = 100
"""events that are handed out in one turn of the reactor"""
MAX_BEHIND = 5000
"""events; who would have to read more goes on with the newest"""

Numbered = Sequence[tuple[int, AnyEvent]]
Decode = Callable[[Sequence[AnyEvent]], Deferred[list[AnyEvent]]]


class Follower:
    """Hands out every event once, in order.

    :param decode: gives events their readings; None: nobody needs them now.
    :param happened: takes events as they are, and with their readings.
    :param skipped: told of events that were passed over: there were too many at once.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        decode: Callable[[], Decode | None],
        happened: Callable[[Numbered, Sequence[AnyEvent]], None],
        skipped: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._decode = decode
        self._happened = happened
        self._skipped = skipped
        self.position = journal.events.last_seq
        """number of the last event that was handed out"""
        self._timer: Timer | None = None
        self._reading = False
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
        if self._timer is None and not self._reading and self._unsubscribe is not None:
            self._timer = self._clock.callLater(PACE, self._due)

    def _due(self) -> None:
        self._timer = None
        self._reading = True
        ensureDeferred(self._read()).addErrback(self._not_read).addCallback(self._finished)

    async def _read(self) -> None:
        last = self._journal.events.last_seq
        behind = last - self.position
        if behind > MAX_BEHIND:
            self.position = last - BATCH
            self._skipped(behind - BATCH)
        entries = await self._journal.events.read(self.position, BATCH)
        if not entries:
            self.position = last
            return
        decode = self._decode()
        events = [event for _, event in entries]
        decoded = events if decode is None else await decode(events)
        pairs = list(zip(entries, decoded, strict=True))
        async for some in in_slices(self._clock, pairs, SLICE):
            self._happened([entry for entry, _ in some], [event for _, event in some])
            self.position = some[-1][0][0]

    def _not_read(self, failure: Failure) -> None:
        self.log.failure("events not followed", failure)

    def _finished(self, _: None) -> None:
        self._reading = False
        if self.position < self._journal.events.last_seq:
            self._stored()
