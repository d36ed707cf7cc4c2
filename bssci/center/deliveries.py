"""What the sinks report of themselves: how far each has come, and how it stands."""

from __future__ import annotations

from typing import Any, Protocol

from bssci.journal import Journal


class Delivery(Protocol):
    """What carries events to one sink."""

    name: str
    cursor: int
    """number of the last event that the sink has taken"""

    def figures(self) -> dict[str, Any]:
        """How the sink stands, as JSON knows it: ``queued``, ``delivered``, ``failing`` and more."""

    def taken(self) -> list[tuple[int, float]]:
        """Last event and Unix seconds of the newest batches that it has taken, oldest first.

        When the first of them was taken is not known.
        """


class Deliveries:
    """Every sink's delivery."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all: list[Delivery] = []

    def add(self, delivery: Delivery) -> None:
        """Take account of a sink from now on."""
        self._all.append(delivery)

    def statistics(self) -> dict[str, dict[str, Any]]:
        """How every sink stands, by its name."""
        return {each.name: each.figures() for each in self._all}

    def taken(self) -> dict[str, list[tuple[int, float]]]:
        """What every sink has taken lately, by its name; see :meth:`Delivery.taken`."""
        return {each.name: each.taken() for each in self._all}

    def delivered_seq(self) -> int:
        """The last event that every sink has taken."""
        return min((each.cursor for each in self._all), default=self._journal.events.last_seq)
