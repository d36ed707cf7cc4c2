"""Open operations of a base station with its service center, across connections (§5.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from bssci.wire.messages import Completion, Error, Message, Response

Concluded = Callable[[Response | Error], None]
"""Called once at the end of an operation, with its response or an error."""


@dataclass(frozen=True)
class OpenOperation:
    """An operation that the station began and that has no answer yet."""

    message: Message
    concluded: Concluded


_COMPLETIONS = {kind.__name__.removesuffix("Cmp"): kind for kind in Completion.__subclasses__()}


def completion_of(response: Response) -> Completion:
    """Return the message that completes an operation after its response (§5.2)."""
    return _COMPLETIONS[type(response).__name__.removesuffix("Rsp")](opId=response.opId)


class Operations:
    """The opIds of a session, its open operations, and the opIds that both sides are known to have seen."""

    def __init__(self) -> None:
        self.last_issued = 0
        self.last_answered = 0
        """The highest opId of the station that the service center has answered."""
        self.last_heard = 0
        """The last opId of the service center; it counts down from -1."""
        self._open: dict[int, OpenOperation] = {}

    def __len__(self) -> int:
        return len(self._open)

    def issue(self, message: Message, concluded: Concluded) -> Message:
        """Open an operation; return ``message`` with the opId with which it is to be sent."""
        self.last_issued += 1
        numbered = msgspec.structs.replace(message, opId=self.last_issued)
        self._open[self.last_issued] = OpenOperation(numbered, concluded)
        return numbered

    def conclude(self, op_id: int) -> OpenOperation | None:
        """Close the operation with an opId, which was answered, and return it; None if there is no such
        operation.
        """
        operation = self._open.pop(op_id, None)
        if operation is not None:
            self.last_answered = max(self.last_answered, op_id)
        return operation

    def hear(self, op_id: int) -> None:
        """Record that the service center began, or repeated, an operation."""
        self.last_heard = min(self.last_heard, op_id)

    def unfinished(self) -> list[Message]:
        """Return the messages that a resumed session issues again, in the order of their opIds (§5.3)."""
        return [operation.message for _, operation in sorted(self._open.items())]

    def start_over(self) -> list[Message]:
        """Begin a new session: count from 1 again, and return the unanswered messages with new opIds, in
        their order.
        """
        waiting = [operation for _, operation in sorted(self._open.items())]
        self._open = {}
        self.last_issued = self.last_answered = self.last_heard = 0
        return [self.issue(operation.message, operation.concluded) for operation in waiting]
