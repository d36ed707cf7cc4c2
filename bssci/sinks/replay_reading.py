"""Reading the events of a replay: those of a span of time, in pieces of varying size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bssci.journal import Journal
from bssci.model import AnyEvent

READ = 500
"""events that are read at once"""


async def last_before(journal: Journal, at: float) -> int:
    """Return the number of the last event before ``at`` (Unix seconds); 0 if there is none."""
    low, high = 0, journal.events.last_seq
    while low < high:
        middle = (low + high + 1) // 2
        # Several, because damaged ones are skipped.
        found, _ = await journal.history.look_back(before=middle + 1, limit=5)
        if not found or found[0][1].at < at:
            low = middle
        else:
            high = max(low, found[0][0] - 1)
    return low


class SpanReader:
    """Reads events in their order, and ahead of what is taken from it.

    :param after: number of the event before the first.
    :param last: number of the last event.
    :param chosen: returns whether an event is wanted.
    """

    def __init__(self, journal: Journal, after: int, last: int, chosen: Callable[[AnyEvent], bool]) -> None:
        self._journal = journal
        self._last = last
        self._chosen = chosen
        self._read_until = after
        self._ahead: deque[tuple[int, AnyEvent]] = deque()

    async def take(self, count: int) -> tuple[list[AnyEvent], int]:
        """Return the next wanted events and the number of the last event that was examined.

        They may be fewer than ``count``, or none, even if more follow: they come from one read of the
        journal.
        """
        if not self._ahead and self._read_until < self._last:
            entries = await self._journal.events.read(self._read_until, READ)
            self._ahead.extend(entry for entry in entries if entry[0] <= self._last)
            self._read_until = self._ahead[-1][0] if self._ahead else self._last
        taken: list[AnyEvent] = []
        seq = self._read_until
        while self._ahead and len(taken) < count:
            seq, event = self._ahead.popleft()
            if self._chosen(event):
                taken.append(event)
        return taken, seq
