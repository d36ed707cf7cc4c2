"""Order of commands: those for the same sensor run one after the other, others do not wait."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from bssci.model import EUI

MANY = 1000
"""sensors of one command up to which it takes a lock for each of them"""

T = TypeVar("T")


class Turns:
    """One command at a time for each sensor."""

    def __init__(self) -> None:
        self._locks: dict[EUI, DeferredLock] = {}
        self._many = DeferredLock()
        """held by a command for more sensors, which has no lock for each"""

    async def run(self, euis: Collection[EUI], command: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        """Run ``command`` after all earlier commands for any of these sensors."""
        if len(euis) > MANY:
            return await self._run_many(euis, command)
        waits_for_many = self._many.locked
        if waits_for_many:
            await self._many.acquire()
        locks = {eui: self._locks.setdefault(eui, DeferredLock()) for eui in euis}
        turns = [lock.acquire() for lock in locks.values()]
        if waits_for_many:
            self._many.release()
        for turn in turns:
            await turn
        try:
            return await command()
        finally:
            for eui, lock in locks.items():
                lock.release()
                # The commands that waited may have run to their ends by now, and later ones have begun.
                if not lock.locked and self._locks.get(eui) is lock:
                    del self._locks[eui]

    async def _run_many(
        self, euis: Collection[EUI], command: Callable[[], Coroutine[Deferred[Any], Any, T]]
    ) -> T:
        """Wait for earlier commands for these sensors; all later commands wait until this one is finished."""
        await self._many.acquire()
        try:
            # Usually there are few locks: looking up a lock for each of 100 000 sensors would take longer.
            concerned = set(euis) if self._locks else set[EUI]()
            for lock in [lock for eui, lock in self._locks.items() if eui in concerned]:
                await lock.run(lambda: None)
            return await command()
        finally:
            self._many.release()
