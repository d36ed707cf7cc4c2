"""Outcomes of a message for its session: one small value each.

Every outcome has ``completion``: the message that must now be sent, or None.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bssci.wire.messages import Completion, Error, ErrorAck, Request, Response


class Requested(Struct, frozen=True, gc=False):
    """The station began an operation; it waits for ``Session.answer`` or ``Session.refuse``."""

    message: Request
    again: bool
    """issued again after a resume: what it asks for may have been done already"""
    completion: ClassVar[None] = None


class Completed(Struct, frozen=True, gc=False):
    """The station knows our answer, or our refusal: its operation is over."""

    op_id: int
    kind: type[Request]
    """class of the message that began the operation"""
    epEui: int | None
    """end point of that message, where it names one"""
    completion: ClassVar[None] = None


class Cancelled(Struct, frozen=True, gc=False):
    """The station gave its own operation up with an error; ``Session.answer`` will decline a late answer."""

    op_id: int
    kind: type[Request]
    """class of the message that began the operation"""
    code: int
    message: str
    completion: ErrorAck


class Answered(Struct, frozen=True, gc=False):
    """The station did what we asked for; our operation is over once the completion is sent."""

    request: Request
    response: Response
    completion: Completion


class Refused(Struct, frozen=True, gc=False):
    """Our operation failed: the station refused it, or its answer was not usable.

    In the first case ``error`` is the station's and ``completion`` acknowledges it, in the second both are
    our error.
    """

    request: Request
    error: Error
    completion: ErrorAck | Error

    @property
    def code(self) -> int:
        """POSIX errno of the error"""
        return self.error.code

    @property
    def message(self) -> str:
        return self.error.message


class Rejected(Struct, frozen=True, gc=False):
    """A message was not acceptable and costs itself only; the station is told."""

    completion: Error
    command: str | None = None
    """command of the message, where it is known"""


class Ignored(Struct, frozen=True, gc=False):
    """Nothing waits for this message; it is late, or repeated, and harmless."""

    reason: str
    completion: ErrorAck | None = None


WireOutcome = Requested | Completed | Cancelled | Answered | Refused | Ignored
"""every value that ``Session.receive`` may return"""
