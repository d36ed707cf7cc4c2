"""Outcomes of receiving a message in a session: one small value each.

Every outcome has ``completion``: the message that must be sent now, or None.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bssci.wire.messages import Completion, Error, ErrorAck, Request, Response


class Requested(Struct, frozen=True, gc=False):
    """The station began an operation; it waits for ``Session.answer`` or ``Session.refuse``."""

    message: Request
    again: bool
    """true for a repetition after a resume, which may have been carried out already"""
    completion: ClassVar[None] = None


class Completed(Struct, frozen=True, gc=False):
    """The station has confirmed our answer or our refusal: its operation is over."""

    op_id: int
    kind: type[Request]
    """class of the message that began the operation"""
    epEui: int | None
    """EUI of the end point of that message, if it names one"""
    completion: ClassVar[None] = None


class Cancelled(Struct, frozen=True, gc=False):
    """The station cancelled its operation with an error; ``Session.answer`` will decline a late answer."""

    op_id: int
    kind: type[Request]
    """class of the message that began the operation"""
    epEui: int | None
    """EUI of the end point of that message, if it names one"""
    code: int
    message: str
    completion: ErrorAck


class Answered(Struct, frozen=True, gc=False):
    """The station carried out our request; our operation is over once the completion is sent."""

    request: Request
    response: Response
    completion: Completion


class Refused(Struct, frozen=True, gc=False):
    """Our operation failed: the station refused it, or its response was unusable.

    In the first case ``error`` is the station's and ``completion`` acknowledges it. In the second case both
    are the error that we send.
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
    """A message was unacceptable. The station gets an error; nothing else is affected."""

    completion: Error
    command: str | None = None
    """command of the message, if known"""


class Ignored(Struct, frozen=True, gc=False):
    """A message that nothing waits for, because it is late or repeated; harmless."""

    reason: str
    completion: ErrorAck | None = None


WireOutcome = Requested | Completed | Cancelled | Answered | Refused | Ignored
"""every value that ``Session.receive`` may return"""
