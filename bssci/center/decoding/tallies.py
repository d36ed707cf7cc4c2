"""Counts of decoded and failed payloads, and the last failure, by decoder and by device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec

from bssci.model import DecodeFailure

MAX_ROWS = 20_000
"""rows that are kept; beyond that the least recently used one is dropped"""


class Tally(msgspec.Struct):
    """Counts since the start, for one decoder or device."""

    decoded: int = 0
    failed: int = 0
    failing: bool = False
    """true if the last payload was not decoded"""
    failure: DecodeFailure | None = None
    """the last failure"""
    failed_at: float | None = None
    """Unix seconds when the payload of the last failure was received"""
    failed_with: str = ""
    """for a device the decoder of the last failure, ``name@version``; for a decoder the device"""


class Tallies:
    """Tallies by key, bounded in number."""

    def __init__(self, most: int = MAX_ROWS) -> None:
        self._most = most
        self._rows: OrderedDict[str, Tally] = OrderedDict()

    def __iter__(self) -> Iterator[tuple[str, Tally]]:
        return iter(list(self._rows.items()))

    def get(self, key: str) -> Tally | None:
        """Return the tally of a decoder or device; None if it has none."""
        return self._rows.get(key)

    def count(self, key: str, failure: DecodeFailure | None, at: float, other: str) -> Tally:
        """Count one more payload, received at ``at``."""
        tally = self._rows.get(key)
        if tally is None:
            tally = self._rows[key] = Tally()
            if len(self._rows) > self._most:
                self._rows.popitem(last=False)
        else:
            self._rows.move_to_end(key)
        tally.failing = failure is not None
        if failure is None:
            tally.decoded += 1
        else:
            tally.failed += 1
            tally.failure, tally.failed_at, tally.failed_with = failure, at, other
        return tally

    def count_decoded(self, keys: Sequence[str], times: int = 1) -> None:
        """Count decoded payloads: ``times`` for each of the keys."""
        rows = self._rows
        for key in keys:
            tally = rows.get(key)
            if tally is None:
                tally = self.count(key, None, 0.0, "")
                tally.decoded += times - 1
            else:
                rows.move_to_end(key)
                tally.failing = False
                tally.decoded += times
