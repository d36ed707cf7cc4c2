"""The sources in use: the intake of each, and their figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.center.telegrams.bounds import JournalShare, RateLimit
from bssci.center.telegrams.door import Judge, SourceDoor
from bssci.center.telegrams.telegrams import Telegrams
from bssci.journal import Journal
from bssci.model.commands import CommandError
from bssci.system.clock import Clock


class Running(Protocol):
    """A running source."""

    name: str

    @property
    def trouble(self) -> str:
        """Reason why the source delivers nothing now; empty: nothing is wrong."""

    @property
    def can_send(self) -> bool:
        """Return whether the source takes messages for the remote side."""

    def publish(self, topic: str, payload: bytes) -> Deferred[None]:
        """Send a message to the remote side; fires when that has it, or fails with CommandError."""


class Sources:
    """Every source that is in use.

    :param rate: telegrams per second that each may deliver.
    :param share: fraction of the journal that telegrams of each may take up while they wait: 0..1.
    :param delivered_seq: returns the number of the last event that every sink has taken.
    :param judge: decides whether a telegram is kept.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        telegrams: Telegrams,
        *,
        rate: float,
        share: float,
        delivered_seq: Callable[[], int],
        judge: Judge,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._telegrams = telegrams
        self._rate = rate
        self._share = share
        self._delivered_seq = delivered_seq
        self._judge = judge
        self._doors: dict[str, SourceDoor] = {}
        self._running: dict[str, Running] = {}

    def door(self, name: str) -> SourceDoor:
        """Return the intake of a source, created at the first call."""
        if name not in self._doors:
            share = JournalShare(self._clock, self._journal, self._share, self._delivered_seq)
            limit = RateLimit(self._clock, self._rate)
            self._doors[name] = SourceDoor(name, self._clock, self._telegrams, limit, share, self._judge)
        return self._doors[name]

    def add(self, source: Running) -> None:
        """Add a running source."""
        self._running[source.name] = source

    def can_send(self, name: str) -> bool:
        """Return whether a source runs, and takes messages for the remote side."""
        source = self._running.get(name)
        return source is not None and source.can_send

    def publish(self, name: str, topic: str, payload: bytes) -> Deferred[None]:
        """Let a source publish a message; fires when the remote side has it, fails with CommandError.

        :raises CommandError: ``unavailable``: no such source runs.
        """
        source = self._running.get(name)
        if source is None:
            raise CommandError("unavailable", f"the source {name} does not run")
        return source.publish(topic, payload)

    def configure(self, rate: float, share: float) -> None:
        """Change the limits of every source."""
        self._rate, self._share = rate, share
        for door in self._doors.values():
            door.configure(rate, share)

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return the figures of each source, including its ``trouble``, by its name."""
        return {
            name: {"trouble": source.trouble, **self.door(name).figures()}
            for name, source in self._running.items()
        }

    def close(self) -> None:
        """Take nothing more from any source."""
        for door in self._doors.values():
            door.close()
