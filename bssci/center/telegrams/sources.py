"""The sources of a service: a door for each, and what they say of themselves."""

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
    """A source that runs."""

    name: str

    @property
    def trouble(self) -> str:
        """Why it brings nothing now; empty: nothing is wrong."""

    def publish(self, topic: str, payload: bytes) -> Deferred[None]:
        """Send a message the other way; fires when the other side has it, or fails with CommandError."""


class Sources:
    """Every source that is in use.

    :param rate: telegrams a second that each may bring.
    :param share: part of the journal that may wait for the sinks because of each: 0..1.
    :param delivered_seq: the last event that every sink has taken.
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
        """Return the door of a source."""
        if name not in self._doors:
            share = JournalShare(self._clock, self._journal, self._share, self._delivered_seq)
            limit = RateLimit(self._clock, self._rate)
            self._doors[name] = SourceDoor(name, self._clock, self._telegrams, limit, share, self._judge)
        return self._doors[name]

    def add(self, source: Running) -> None:
        """Take account of a source from now on."""
        self._running[source.name] = source

    def publish(self, name: str, topic: str, payload: bytes) -> Deferred[None]:
        """Have a source publish a message; fires when the other side has it, fails as a CommandError.

        :raises CommandError: ``unavailable``: no such source runs.
        """
        source = self._running.get(name)
        if source is None:
            raise CommandError("unavailable", f"the source {name} does not run")
        return source.publish(topic, payload)

    def configure(self, rate: float, share: float) -> None:
        """Change the bounds of every source."""
        self._rate, self._share = rate, share
        for door in self._doors.values():
            door.configure(rate, share)

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return every source's figures, by its name; its ``trouble`` among them."""
        return {
            name: {"trouble": source.trouble, **self.door(name).figures()}
            for name, source in self._running.items()
        }

    def close(self) -> None:
        """Take nothing more from any source."""
        for door in self._doors.values():
            door.close()
