"""Lines of the log, and entries of the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, Before, Limit

LevelName = Literal["debug", "info", "warn", "error", "critical"]


class WantedLines(msgspec.Struct, kw_only=True):
    """Selection of lines of the log."""

    level: Annotated[LevelName | None, Meta(description="the least serious")] = None
    logger: Annotated[str, Meta(description="begins so")] = ""
    q: Annotated[str, Meta(description="is in the text")] = ""
    limit: Limit = 200


class LogLine(Answer):
    """A line of the log."""

    number: int
    timestamp: float
    level: str
    logger: str
    text: str


class LogLines(Answer):
    """The newest lines, newest first."""

    lines: list[LogLine]
    kept: int
    loggers: list[str]


class WantedEntries(msgspec.Struct, kw_only=True):
    """Selection of entries of the audit log."""

    who: Annotated[str, Meta(description="account or token")] = ""
    action: Annotated[str, Meta(description="begins so")] = ""
    q: Annotated[str, Meta(description="the target or the detail contains it")] = ""
    limit: Limit = 100
    before: Before = None


class AuditLine(Answer):
    """A change, or an access to a secret."""

    seq: int
    timestamp: float
    who: str
    address: str
    action: str
    target: str
    detail: str


class AuditLines(Answer):
    """Entries of the audit log, newest first; ``next`` is the ``before`` of the following part."""

    entries: list[AuditLine]
    next: int | None
