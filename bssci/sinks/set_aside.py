"""The count of the events that a sink cannot store and skips, with the last reason; and when not to skip."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby
from typing import Any

from twisted.logger import Logger

from bssci.system.line_limit import is_logged

REASON_LENGTH = 300
"""characters of a reason that are kept"""
LONGEST_STREAK = 10
"""events refused in a row, at most, for which the events and not the receiver are at fault"""
MOST_SUSPECTS = 2000
"""suspects above which the earlier ones are forgotten: a batch has fewer"""


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
        if is_logged(self.count + 1):
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
    its events must wait, and not be set aside one after the other. If it refuses many in a row and takes
    others of the same batch, it may have begun or ceased to refuse everything meanwhile: only those that it
    refuses again, when the batch comes again, are at fault.
    """

    def __init__(self) -> None:
        self._length = 0
        self._suspects: set[Hashable] = set()
        """events of batches that must come again, for they may not be at fault"""

    def excuses(self, outcomes: Sequence[Hashable]) -> bool:
        """Return whether events may be set aside; if not, let the delivery fail, so that the batch comes
        again.

        :param outcomes: for each event of a batch, in order: None if the receiver took it, else a value that
            identifies the event when it comes again.
        """
        takes = None in outcomes
        runs = [list(run) for refused, run in groupby(outcomes, _is_refused) if refused]
        many = {each for run in runs if len(run) > LONGEST_STREAK for each in run}
        length = 0 if takes else self._length + len(outcomes)
        if length > LONGEST_STREAK:
            return False
        if many - self._suspects:
            if len(self._suspects) > MOST_SUSPECTS:
                self._suspects.clear()
            self._suspects |= many
            return False
        self._length = length
        return True


def _is_refused(outcome: Hashable) -> bool:
    return outcome is not None
