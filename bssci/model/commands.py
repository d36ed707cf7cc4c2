"""Why a command cannot be carried out."""

from __future__ import annotations

from typing import Any


class CommandError(Exception):
    """Tells whoever commanded what is wrong; nothing was stored or sent, or the message says what was.

    :ivar code: ``invalid``, ``unknown_sensor``, ``unknown_station``, ``unknown_downlink``,
        ``not_bidirectional``, ``not_allowed``, ``conflict``, ``busy``, ``failed`` or ``unavailable``.
    :ivar message: one line: what is allowed, or what to do.
    :ivar field: of the request that is wrong, if one is.
    :ivar result: what was done all the same, if it failed in part.
    """

    def __init__(
        self, code: str, message: str, field: str | None = None, result: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.result = result
