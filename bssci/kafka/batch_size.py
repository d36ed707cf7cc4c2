"""Number of bytes that are sent to a partition at once: less after a refusal, carefully more again later.

::

    refused as too large --> at most half of that --> after 60 s twice as much, and so on, up to the largest
             ^                                                   |
             +-- refused again: the next attempt waits twice as long, an hour at most
"""

from __future__ import annotations

from collections.abc import Callable

LARGEST = 1_000_000
"""bytes of messages; what Kafka's brokers take as they are installed"""
FIRST_WAIT, LONGEST_WAIT = 60.0, 3600.0
"""s until more is sent at once again: at first, and at most"""


class BatchSize:
    """The size that fits, as far as is known.

    :param monotonic: seconds.
    :ivar bytes: bytes of messages that are sent at once, at most; a larger message is sent alone.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.bytes = LARGEST
        self._now = monotonic
        self._wait = FIRST_WAIT
        self._due = 0.0
        self._grown = False
        """larger since the last refusal"""

    def shrink(self, refused: int) -> None:
        """Take note that ``refused`` bytes, or a part of them, were too many at once."""
        if self._grown:
            self._wait = min(LONGEST_WAIT, 2 * self._wait)
        self._grown = False
        self.bytes = max(1, min(self.bytes, refused) // 2)
        self._due = self._now() + self._wait

    def grow(self) -> bool:
        """Allow twice as much if it is time to try that; return whether it is."""
        if self.bytes >= LARGEST or self._now() < self._due:
            return False
        if self._grown:
            self._wait = max(FIRST_WAIT, self._wait / 2)
        self._grown = True
        self.bytes = min(LARGEST, 2 * self.bytes)
        self._due = self._now() + self._wait
        return True
