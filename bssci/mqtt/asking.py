"""The filters that a connection asks for: all at once, or in turn where one of them is suspected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from bssci.system.clock import Clock

ANSWER_TIME = 10.0
"""s for the answers to all filters that are asked for in turn; then the rest is asked for at once"""


class Asking:
    """Filters of one connection that are to be asked for, or are not answered yet.

    In turn, each group is asked for once the one before it is answered. A broker that closes the connection
    at one has then got nothing else: the answers to what stands before it may be lost with the connection.

    :param subscribe: asks for some filters; returns the packet identifier, or None if they cannot be asked
        for.
    """

    def __init__(self, clock: Clock, subscribe: Callable[[Sequence[str]], int | None]) -> None:
        self._clock = clock
        self._subscribe = subscribe
        self._waiting: deque[Sequence[str]] = deque()
        self._unanswered: dict[int, Sequence[str]] = {}
        """by packet identifier"""
        self._until: float | None = None
        """s of the clock until which filters are asked for in turn; None: all at once"""

    @property
    def is_in_turn(self) -> bool:
        """Return whether filters are asked for in turn, and some are not answered."""
        return self._until is not None

    @property
    def unanswered(self) -> Sequence[str]:
        """Filters that were asked for first of those that are not answered."""
        return next(iter(self._unanswered.values()), ())

    def add(self, groups: Iterable[Sequence[str]], *, in_turn: bool = False) -> None:
        """Ask for filters, those of a group in one packet."""
        self._waiting.extend(groups)
        if in_turn:
            self._until = self._clock.seconds() + ANSWER_TIME
        self._go_on()

    def answered(self, packet_id: int) -> Sequence[str]:
        """Return the filters that a packet asked for, which is answered."""
        filters = self._unanswered.pop(packet_id, ())
        self._go_on()
        return filters

    def end_if_late(self) -> bool:
        """Ask for the rest at once if the answers take too long; return whether they did."""
        if self._until is None or self._clock.seconds() < self._until:
            return False
        self._until = None
        self._go_on()
        return True

    def _go_on(self) -> None:
        while self._waiting and not (self.is_in_turn and self._unanswered):
            group = self._waiting.popleft()
            packet_id = self._subscribe(group)
            if packet_id is not None:
                self._unanswered[packet_id] = group
        if not self._unanswered:
            self._until = None
