"""The newest events, kept in memory for sinks that keep up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from bssci.model import AnyEvent


class _Commit(NamedTuple):
    """Events that were stored together, with consecutive numbers."""

    events: Sequence[AnyEvent]
    size: int


class Tail:
    """Events of the newest commits.

    :param after: number of the last event before those kept here.
    :param max_bytes: encoded bytes of the events that are kept.
    """

    def __init__(self, after: int, max_bytes: int) -> None:
        self.after = after
        self._max_bytes = max_bytes
        self._bytes = 0
        self._first_seqs: list[int] = []
        self._commits: list[_Commit] = []

    def append(self, first_seq: int, events: Sequence[AnyEvent], size: int) -> None:
        """Add events after all others; the oldest commits are dropped to make room."""
        self._first_seqs.append(first_seq)
        self._commits.append(_Commit(events, size))
        self._bytes += size
        drop = 0
        while self._bytes > self._max_bytes:
            self._bytes -= self._commits[drop].size
            drop += 1
        if drop:
            self.after = self._first_seqs[drop - 1] + len(self._commits[drop - 1].events) - 1
            del self._first_seqs[:drop], self._commits[:drop]

    def read(self, after: int, limit: int, max_bytes: int) -> list[tuple[int, AnyEvent]] | None:
        """Return the events after number ``after``; None if some of them are no longer here.

        ``limit`` events at most, of about ``max_bytes``, but at least one unless none follows.
        """
        if after < self.after:
            return None
        found: list[tuple[int, AnyEvent]] = []
        position = max(0, bisect_right(self._first_seqs, after) - 1)
        room = max_bytes
        while position < len(self._commits) and len(found) < limit and room > 0:
            first, commit = self._first_seqs[position], self._commits[position]
            skipped = max(0, after + 1 - first)
            each = max(1, commit.size // max(1, len(commit.events)))
            fitting = min(limit - len(found), max(0 if found else 1, room // each))
            events = commit.events[skipped : skipped + fitting]
            found += enumerate(events, first + skipped)
            if skipped + fitting < len(commit.events):
                break
            room -= each * len(events)
            position += 1
        return found
