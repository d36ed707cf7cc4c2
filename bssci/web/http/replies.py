"""Replies of handlers that are more than a struct, which is sent as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import msgspec

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Reply(Generic[T_co]):
    """An answer with a content type, a status or headers of its own.

    :ivar content: bytes are sent as they are, everything else as JSON.
    """

    content: T_co
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def saved_as(name: str) -> dict[str, str]:
    """Return the header of an answer that browsers save as a file of this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def as_file(data: bytes, name: str, content_type: str) -> Reply[bytes]:
    """Return the answer that browsers save as a file of this name."""
    return Reply(data, content_type, headers=saved_as(name))


class Streamed:
    """The answer of a handler that writes it itself, perhaps still after it returned."""


class Done(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The answer to a change."""

    success: Literal[True] = True


class FieldReason(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One field of a request that is wrong."""

    field: str
    message: str


class Reason(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why a request is refused."""

    code: str
    message: str
    field: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FieldReason] | msgspec.UnsetType = msgspec.UNSET
    """every field that is wrong, if it is more than one"""


class RefusedAnswer(msgspec.Struct, kw_only=True):
    """The answer to a request that is refused; a refused import also tells of its rows."""

    error: Reason
    success: Literal[False] = False
