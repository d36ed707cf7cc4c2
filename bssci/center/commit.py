"""A commit that is under way, for those who bring the same thing once more before it has ended."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class Commit:
    """A commit that is under way, and the Deferreds that wait for its end."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when it is on disk, and fails if it cannot be stored."""
        waiter: Deferred[None] = Deferred()
        self._waiting.append(waiter)
        return waiter

    def end(self, failure: Failure | None = None) -> None:
        """Fire what waits: it is on disk, or failed."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if failure is None:
                waiter.callback(None)
            else:
                waiter.errback(failure)
