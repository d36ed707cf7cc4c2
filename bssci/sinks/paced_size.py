"""The number of events that are sent at once to another side, which must take them within a time.

::

    not taken in time --> half of them --> taken in less than a quarter of the time --> twice as many
"""

from __future__ import annotations

EASY = 0.25
"""part of the time within which events are taken so easily that there may be more of them"""


class PacedSize:
    """The number that the other side takes in time, as far as is known.

    :param largest: events at first, and at most.
    :param time: s that the other side may take.
    :ivar now: events that are sent at once, at most.
    """

    def __init__(self, largest: int, time: float) -> None:
        self.now = largest
        self._largest = largest
        self._easily = time * EASY

    def taken(self, count: int, seconds: float) -> None:
        """Take note how long the other side took for ``count`` events; fewer than may be sent say nothing."""
        if count >= self.now and seconds < self._easily:
            self.now = min(self._largest, 2 * self.now)

    def late(self, count: int) -> None:
        """Take note that the other side did not take ``count`` events in time."""
        self.now = min(self.now, max(1, count // 2))
