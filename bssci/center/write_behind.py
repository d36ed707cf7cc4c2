"""Write-behind for knowledge that changes all the time: the keys that changed, and the writing of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.system.clock import Clock, Ticker

INTERVAL = 30.0
"""s between writes of what changed"""

Key = TypeVar("Key", bound=str | int)


class WriteBehind(Generic[Key]):
    """The keys of rows that changed and are not stored. What could not be stored is tried again.

    :param what: is stored, for the log.
    :param write: stores the rows of these keys as they are now and, if it is no None, that events are
        counted into them up to a number.
    :param before: is called before what changed is looked at by the clock.
    :param slice_size: keys that are written at once; the next ones when those are on disk.
    :ivar changed: in the order in which they changed; to be filled by the owner, or by :meth:`update`.
    :ivar through: the last event that is counted; None if they are not.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        what: str,
        write: Callable[[Collection[Key], int | None], Deferred[Any]],
        *,
        before: Callable[[], None] = lambda: None,
        slice_size: int | None = None,
        through: int | None = None,
    ) -> None:
        self.changed: dict[Key, None] = {}
        self.through = through
        self._stored_through = through
        self._what = what
        self._write = write
        self._before = before
        self._slice_size = slice_size
        self._under_way: Deferred[None] | None = None
        self._ticker = Ticker(clock, INTERVAL, self._tick)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> Deferred[None] | None:
        """Write all that is left; None if that is nothing. The journal may be closed after that."""
        self._ticker.stop()
        self._before()
        return self._write_all()

    def count_through(self, seq: int) -> None:
        """Note that events are counted up to this one."""
        self.through = seq

    def update(self, keys: Iterable[Key]) -> None:
        """Note that rows changed, are new or gone."""
        self.changed.update(dict.fromkeys(keys))

    def store(self) -> Deferred[None] | None:
        """Write what changed until now; None if nothing did, or a write in slices is under way."""
        if self._slice_size is None or len(self.changed) <= self._slice_size:
            return self._write_all() if self._under_way is None else None
        if self._under_way is None:
            self._under_way = ensureDeferred(self._write_slices(self._slice_size))
        return self._under_way

    def _tick(self) -> None:
        self._before()
        self.store()

    def _write_all(self) -> Deferred[None] | None:
        if not self.changed and self.through == self._stored_through:
            return None
        changed, through = list(self.changed), self.through
        self.changed.clear()
        written = self._write(changed, through)
        written.addCallbacks(self._written, self._not_stored, callbackArgs=(through,), errbackArgs=(changed,))
        return written

    async def _write_slices(self, size: int) -> None:
        keys, through = list(self.changed), self.through
        try:
            for first in range(0, len(keys), size):
                few = keys[first : first + size]
                for key in few:
                    self.changed.pop(key, None)
                is_last = first + size >= len(keys)
                await self._write(few, through if is_last else None).addErrback(self._put_back, few)
            self._written(None, through)
        except StorageError as error:
            self.log.warn("{what} not stored, tried again {error}", what=self._what, error=error)
        finally:
            self._under_way = None

    def _written(self, _: object, through: int | None) -> None:
        self._stored_through = through

    def _put_back(self, failure: Failure, keys: Iterable[Key]) -> Failure:
        self.update(keys)
        return failure

    def _not_stored(self, failure: Failure, keys: Iterable[Key]) -> None:
        self.update(keys)
        self.log.warn(
            "{what} not stored, tried again {error}", what=self._what, error=failure.getErrorMessage()
        )
