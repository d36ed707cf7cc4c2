"""Deduplication of advertisements: repetitions pass once per interval; changes always pass."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from bssci.scanner.advertisement import HeardAdvertisement

DEVICES = 20_000
"""devices that are remembered; the one that was silent longest is forgotten first"""


class Thinning:
    """Remembers the last content of each device, and when it passed.

    :param interval: s.
    """

    def __init__(self, strategy: Literal["time_based", "change_based"], interval: float) -> None:
        self._is_timed = strategy == "time_based"
        self._interval = interval
        self._passed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._passed)

    def passes(self, advertisement: HeardAdvertisement, now: float) -> bool:
        """Return whether an advertisement is published.

        :param now: s of a monotonic clock.
        """
        content = advertisement.content
        before = self._passed.get(advertisement.address)
        if before is not None and before[0] == content and not self._is_due(now - before[1]):
            self._passed.move_to_end(advertisement.address)
            return False
        self._passed[advertisement.address] = content, now
        self._passed.move_to_end(advertisement.address)
        if len(self._passed) > DEVICES:
            self._passed.popitem(last=False)
        return True

    def _is_due(self, passed: float) -> bool:
        return self._is_timed and passed >= self._interval
