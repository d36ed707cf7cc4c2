"""Turns of readers: what one account or token asks for holds up its own requests, not those of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.defer import DeferredSemaphore

from bssci.web.http.errors import ApiError

MAX_AT_ONCE = 8
"""requests of an account that are answered at a time"""
MAX_WAITING = 256
"""requests of an account that wait for their turn"""

Result = TypeVar("Result")


class ReadTurns:
    """Lets each account read a few things at a time, in the order in which it asks."""

    def __init__(self) -> None:
        self._of: dict[str, DeferredSemaphore] = {}
        """by name, of accounts that are reading"""

    def __len__(self) -> int:
        """Return the number of accounts that are reading."""
        return len(self._of)

    async def take(self, name: str, read: Callable[[], Awaitable[Result]]) -> Result:
        """Return what ``read`` returns, when it is the account's turn.

        :raises ApiError: 429: too many requests of the account wait already.
        """
        places = self._of.setdefault(name, DeferredSemaphore(MAX_AT_ONCE))
        if len(places.waiting) >= MAX_WAITING:
            message = f"{MAX_WAITING} requests of {name} wait for an answer already"
            raise ApiError(429, "too_many_requests", message, retry_after=1.0)
        await places.acquire()
        try:
            return await read()
        finally:
            places.release()
            if places.tokens == places.limit:
                self._of.pop(name, None)
