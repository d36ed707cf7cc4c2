"""The order in which connections process what came.

Stations write each message as a TLS record of its own, and each record arrives in a call of its own. What
comes in one turn of the reactor is processed together at its end, so that it is stored and answered together.

Connections that together take long are processed in several turns, as the reactor has other work, too. Those
that wait read nothing more meanwhile, so that what they hold stays bounded.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from bssci.system.clock import Clock

READ_TIME = 0.02
"""s of one turn of the reactor after which the other connections go on in the next"""


class Recipient(Protocol):
    """A connection that has bytes to process."""

    def read(self) -> None:
        """Process them, and go on receiving. Never raises."""

    def hold(self) -> None:
        """Receive no more until :meth:`read` is called."""


class ReadOrder:
    """The connections that have bytes to process, those that wait longest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Recipient] = deque()

    def add(self, recipient: Recipient) -> None:
        """Let a connection process its bytes at the end of this turn of the reactor, or in a later one."""
        if not self._waiting:
            self._clock.callLater(0, self._read)
        self._waiting.append(recipient)

    def _read(self) -> None:
        end = self._clock.seconds() + READ_TIME
        while self._waiting:
            self._waiting.popleft().read()
            if self._clock.seconds() >= end:
                break
        for recipient in self._waiting:
            recipient.hold()
        if self._waiting:
            self._clock.callLater(0, self._read)
