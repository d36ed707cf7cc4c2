"""New events for the live stream, with their readings, a slice at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from bssci.model import AnyEvent
from bssci.system.clock import Clock, in_slices
from bssci.web.live.feed import Numbered
from bssci.web.outside import Decode

SLICE = 100
"""events that are handed out in one turn of the reactor"""


class Follower:
    """A :class:`bssci.web.live.feed.FeedReader` that decodes.

    :param decode: returns the function that adds readings to events; None if nobody needs them now.
    :param happened: called with numbered events, and with the same events with their readings.
    :param missed: called with the number of events that were skipped.
    """

    def __init__(
        self,
        clock: Clock,
        decode: Callable[[], Decode | None],
        happened: Callable[[Numbered, Sequence[AnyEvent]], None],
        missed: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._decode = decode
        self._happened = happened
        self._missed = missed

    async def take(self, numbered: Numbered) -> AsyncIterator[int]:
        decode = self._decode()
        events = [event for _, event in numbered]
        decoded = events if decode is None else await decode(events)
        pairs = list(zip(numbered, decoded, strict=True))
        async for some in in_slices(self._clock, pairs, SLICE):
            self._happened([entry for entry, _ in some], [event for _, event in some])
            yield some[-1][0][0]

    def skipped(self, count: int) -> None:
        self._missed(count)
