"""Limits of one source: telegrams per second, and its share of the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bssci.journal import Journal
from bssci.system.clock import Clock

RESERVED = 0.25
"""fraction of the journal that sources may not fill, reserved for base stations"""
BATCHES = 10_000
"""batches that are counted separately while they wait for the sinks; later ones are counted with the last"""
USAGE_AGE = 1.0
"""s after which the fill level of the journal is measured again"""


class RateLimit:
    """A token bucket: one token per telegram, filled with ``rate`` tokens per second up to those of 1 s."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self.rate = rate
        self._tokens = rate
        self._filled_at = clock.seconds()

    def delay(self) -> float:
        """Return the seconds until telegrams may pass; 0: now."""
        now = self._clock.seconds()
        self._tokens = min(self.rate, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        return 0.0 if self._tokens > 0 else (1 - self._tokens) / self.rate

    def change(self, rate: float) -> None:
        """Change the rate, and fill the bucket."""
        self.rate = self._tokens = rate

    def take(self, count: int) -> None:
        """Take ``count`` tokens; the number may become negative, which delays the next telegrams."""
        self._tokens -= count


class JournalShare:
    """Bytes of a source's telegrams that some sink has yet to take, and their limit.

    After a restart the count begins at 0; telegrams of earlier runs only count for the reserved fraction.

    :param share: fraction of the journal's maximum size that the source's telegrams may take up: 0..1.
    :param delivered_seq: returns the number of the last event that every sink has taken.
    """

    def __init__(
        self, clock: Clock, journal: Journal, share: float, delivered_seq: Callable[[], int]
    ) -> None:
        self.share = share
        self._clock = clock
        self._journal = journal
        self._delivered_seq = delivered_seq
        self._waiting: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._looked_at: float | None = None
        self._is_reserved = False
        self._max_size = 0

    def change(self, share: float) -> None:
        """Change the share."""
        self.share = share

    @property
    def bytes(self) -> int:
        """Approximate bytes that wait for the sinks."""
        delivered = self._delivered_seq()
        while self._waiting and self._waiting[0][0] <= delivered:
            self._bytes -= self._waiting.popleft()[1]
        return self._bytes

    @property
    def limit(self) -> int:
        """Bytes that may wait for the sinks."""
        self._look()
        return int(self._max_size * self.share)

    def add(self, seq: int, size: int) -> None:
        """Count a batch that is stored.

        :param seq: number of its last event.
        """
        self._bytes += size
        if len(self._waiting) >= BATCHES:
            size += self._waiting.pop()[1]
        self._waiting.append((seq, size))

    def excess(self) -> str:
        """Return the reason why nothing more may be stored now; empty if it may."""
        waiting, limit = self.bytes, self.limit
        if waiting >= limit:
            return f"{waiting} bytes wait for the sinks, of {limit} that this source may fill"
        if self._is_reserved:
            return f"the journal is fuller than {1 - RESERVED:.0%}; the rest is for base stations"
        return ""

    def _look(self) -> None:
        now = self._clock.seconds()
        if self._looked_at is None or now - self._looked_at >= USAGE_AGE:
            self._looked_at = now
            usage = self._journal.usage()
            self._max_size = usage.max_size
            self._is_reserved = usage.share > 1 - RESERVED


class TelegramRate:
    """Telegrams per second, over the last minute."""

    PERIOD = 60.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._history: deque[tuple[float, int]] = deque([(clock.seconds(), 0)])
        self._total = 0

    def add(self, count: int) -> None:
        """Count telegrams."""
        self._total += count
        now = self._clock.seconds()
        if now - self._history[-1][0] >= 1.0:
            self._history.append((now, self._total))
        self._trim(now)

    def value(self) -> float:
        """Return the telegrams per second."""
        now = self._clock.seconds()
        self._trim(now)
        since, before = self._history[0]
        return (self._total - before) / (now - since) if now > since else 0.0

    def _trim(self, now: float) -> None:
        since = now - self.PERIOD
        while len(self._history) > 1 and self._history[1][0] < since:
            self._history.popleft()
        if self._history[0][0] < since and self._history[0][1] == self._total:
            self._history[0] = (since, self._total)
