"""The sinks' figures: position in the journal, and counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from bssci.journal import Journal


class Delivery(Protocol):
    """The delivery of events to one sink."""

    name: str
    cursor: int
    """number of the last event that the sink has taken"""

    def figures(self) -> dict[str, Any]:
        """Return the sink's figures as JSON values: ``queued``, ``delivered``, ``failing`` and more."""

    def is_delivering(self) -> bool:
        """Return whether the sink takes events; not before it has begun to since the start."""

    def taken(self) -> list[tuple[int, float]]:
        """Return the sink's newest batches, oldest first: number of the last event, and Unix seconds.

        The time of the first of them is not known.
        """

    def requests(self) -> dict[str, Any] | None:
        """Return the figures of the requests that the sink brings; None if it brings none."""


class Deliveries:
    """Every sink's delivery."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: list[Delivery] = []

    def add(self, delivery: Delivery) -> None:
        """Add a sink's delivery."""
        self._all.append(delivery)

    def __iter__(self) -> Iterator[Delivery]:
        """Yield every sink's delivery, in the order of SINKS."""
        return iter(self._all)

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return every sink's figures, by its name."""
        return {each.name: each.figures() for each in self._all}

    def delivering(self) -> dict[str, bool]:
        """Return whether each sink takes events, by its name; see :meth:`Delivery.is_delivering`."""
        return {each.name: each.is_delivering() for each in self._all}

    def taken(self) -> dict[str, list[tuple[int, float]]]:
        """Return the batches that each sink has taken lately, by its name; see :meth:`Delivery.taken`."""
        return {each.name: each.taken() for each in self._all}

    def requests(self) -> dict[str, dict[str, Any]]:
        """Return the figures of the requests that sinks bring, by the sink's name."""
        figures = {each.name: each.requests() for each in self._all}
        return {name: each for name, each in figures.items() if each is not None}

    def delivered_seq(self) -> int:
        """Return the number of the last event that every sink has taken."""
        return min((each.cursor for each in self._all), default=self._journal.events.last_seq)
