"""The count of the events that a sink cannot store and skips, with the last reason; and when not to skip."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

LOG_EVERY = 100
"""the first event set aside is logged, and every so many after it"""
REASON_LENGTH = 300
"""characters of a reason that are kept"""
LONGEST_STREAK = 10
"""events refused in a row, at most, for which the events and not the receiver are at fault"""


class SetAside:
    """Events that one sink has set aside since it was built; the sink has it as its attribute ``set_aside``.

    Only for events that would be refused each time. If a later attempt may succeed, let ``deliver`` fail
    instead, which repeats the batch.

    :param sink: name of the sink.
    :ivar count: events set aside.
    :ivar last_reason: why the newest of them was, in one line; empty while there is none.
    """

    log = Logger()

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self.count = 0
        self.last_reason = ""

    def add(self, event: Any, reason: str) -> None:
        """Count an event that is skipped.

        :param reason: why the event cannot be stored, without a secret; only its beginning is kept.
        """
        self.last_reason = " ".join(reason.split())[:REASON_LENGTH]
        if self.count % LOG_EVERY == 0:
            self.log.warn(
                "event set aside {sink} {kind} {id}, {count} so far: {reason}",
                sink=self._sink,
                kind=type(event).__name__,
                id=getattr(event, "id", ""),
                count=self.count + 1,
                reason=self.last_reason,
            )
        self.count += 1


class RefusalStreak:
    """Events that a receiver refused in a row, without taking one in between.

    A receiver that refuses everything (a wrong path, a constraint that a person added) is at fault itself:
    its events must wait, and not be set aside one after the other.
    """

    def __init__(self) -> None:
        self._length = 0

    def excuses(self, refused: int, taken: int) -> bool:
        """Return whether events may be set aside; if not, let the delivery fail, so that they come again.

        :param refused: events of a batch that the receiver refused.
        :param taken: events of the batch that it took.
        """
        if taken:
            self._length = 0
            return True
        if self._length + refused > LONGEST_STREAK:
            return False
        self._length += refused
        return True
