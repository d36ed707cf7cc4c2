"""Commands for one sensor are done in the order in which they came; different sensors do not wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from bssci.model import EUI

T = TypeVar("T")


class Turns:
    """One command at a time for each sensor."""

    def __init__(self) -> None:
        self._locks: dict[EUI, DeferredLock] = {}

    async def run(self, euis: Collection[EUI], command: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        """Run ``command`` when it is the turn of all these sensors."""
        locks = {eui: self._locks.setdefault(eui, DeferredLock()) for eui in euis}
        for turn in [lock.acquire() for lock in locks.values()]:
            await turn
        try:
            return await command()
        finally:
            for eui, lock in locks.items():
                lock.release()
                if not lock.locked:
                    self._locks.pop(eui, None)
