"""Errors of the protocol: what a peer did wrong, with the code to answer it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ErrorCode(IntEnum):
    """The POSIX errno values that an ``error`` message carries (§5.17)."""

    EPERM = 1
    """not allowed: station not registered, certificate mismatch"""
    ENOENT = 2
    """unknown end point or queue id"""
    EIO = 5
    """could not be stored"""
    EAGAIN = 11
    """busy, try again"""
    EINVAL = 22
    """value out of range"""
    EPROTO = 71
    """malformed, missing field or wrong order"""
    ENOTSUP = 95
    """unknown command or sub-channel"""


MAX_REASON = 200
"""characters of ``ProtocolError.message``; the rest is cut off"""


class ProtocolError(Exception):
    """A message must be answered by ``error``; the connection stays open.

    :ivar code: errno for the answer.
    :ivar message: text for people: field or rule, and what is allowed; never a value that could be secret.
    :ivar op_id: opId of the operation; None if the message did not have a readable one.
    :ivar command: command of the message at fault; None if unknown.
    """

    def __init__(self, code: int, message: str, op_id: int | None = None, command: str | None = None) -> None:
        super().__init__(message[:MAX_REASON])
        self.code = code
        self.message = message[:MAX_REASON]
        self.op_id = op_id
        self.command = command

    def let_go(self) -> None:
        """Drop the traceback and the causes, whose stack frames keep the message, up to a megabyte, alive.

        For callers that keep the error beyond the ``except`` that caught it.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None


class FramingError(ProtocolError):
    """The start of the next frame cannot be found: the connection must be closed.

    :ivar completed: the payloads that were complete before the fault, in order; to be handled first.
    """

    def __init__(self, message: str, completed: Sequence[bytes] = ()) -> None:
        super().__init__(ErrorCode.EPROTO, message)
        self.completed = list(completed)


class TooManyOperations(Exception):
    """The service center may not begin another operation before one of the open ones is over."""
