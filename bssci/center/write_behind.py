"""Write-behind for rows that change often: the keys that changed are collected and written at intervals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import StorageLines
from bssci.system.clock import Clock, Ticker

INTERVAL = 30.0
"""s between two writes"""

AT_ONCE = 1000
"""rows with texts of others that are written in one commit: more would take too long a turn to encode"""

Key = TypeVar("Key", bound=str | int)


class WriteBehind(Generic[Key]):
    """The keys of rows that changed and are not stored yet. A failed write is retried.

    :param what: name of the rows, for the log.
    :param write: stores the rows of these keys as they are now and, unless it is None, the number of the last
        event that they take into account.
    :param before: called before each periodic write, to complete ``changed``.
    :param slice_size: keys that are written in one commit; None: all.
    :ivar changed: changed keys in order; filled by the owner, or by :meth:`update`.
    :ivar through: number of the last event that the rows take into account; None if that is not tracked.
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
        self._in_slices = False
        """true while a write in slices is under way"""
        self._is_stopped = False
        self._lines = StorageLines(self.log, clock.seconds)
        self._ticker = Ticker(clock, INTERVAL, self._tick)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> Deferred[None] | None:
        """Stop, and write what is left; None if there is nothing. The journal may be closed after that."""
        self._ticker.stop()
        self._is_stopped = True  # a write in slices ends with the present one: what is left is written here
        self._before()
        return self._write_all()

    def count_through(self, seq: int) -> None:
        """Note that the rows take events into account up to this number."""
        self.through = seq

    def update(self, keys: Iterable[Key]) -> None:
        """Note that rows were changed, added or deleted."""
        self.changed.update(dict.fromkeys(keys))

    def store(self) -> Deferred[None] | None:
        """Write what has changed; return None if nothing has, or if another write in slices is under way."""
        if self._in_slices:
            return None
        if self._slice_size is None or len(self.changed) <= self._slice_size:
            return self._write_all()
        self._in_slices = True
        return ensureDeferred(self._write_slices(self._slice_size)).addErrback(self._note)

    def _tick(self) -> None:
        self._before()
        self.store()

    def _write_all(self) -> Deferred[None] | None:
        if not self.changed and self.through == self._stored_through:
            return None
        changed, through = list(self.changed), self.through
        self.changed.clear()
        written = maybeDeferred(self._write, changed, through)
        written.addCallbacks(self._written, self._not_stored, callbackArgs=(through,), errbackArgs=(changed,))
        return written

    async def _write_slices(self, size: int) -> None:
        keys, through = list(self.changed), self.through
        try:
            for first in range(0, len(keys), size):
                if self._is_stopped:
                    return
                few = keys[first : first + size]
                for key in few:
                    self.changed.pop(key, None)
                is_last = first + size >= len(keys)
                written = maybeDeferred(self._write, few, through if is_last else None)
                await written.addErrback(self._put_back, few)
            self._written(None, through)
        finally:
            self._in_slices = False

    def _written(self, _: object, through: int | None) -> None:
        self._stored_through = through

    def _put_back(self, failure: Failure, keys: Iterable[Key]) -> Failure:
        self.update(keys)
        return failure

    def _not_stored(self, failure: Failure, keys: Iterable[Key]) -> None:
        self._note(self._put_back(failure, keys))

    def _note(self, failure: Failure) -> None:
        self._lines.note(failure, "{what} not stored, will be retried", what=self._what)
