"""Detection of changes to files, once they have been left alone for a moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bssci.system.clock import Clock, Ticker

INTERVAL = 5.0
"""seconds between two checks"""

Stamp = tuple[tuple[int, int, int], ...]


class FileWatch:
    """Calls ``changed`` after a file has changed and then stayed the same for one interval.

    An editor that writes in several steps is thus waited for. Changes between the creation of this object
    and :meth:`start` count, too.

    :param paths: files to watch; they need not exist.
    :param interval: seconds between two checks.
    """

    def __init__(
        self,
        clock: Clock,
        paths: Sequence[Path],
        changed: Callable[[], object],
        interval: float = INTERVAL,
    ) -> None:
        self._paths = paths
        self._changed = changed
        self._taken = self._before = stamp_of(paths)
        self._ticker = Ticker(clock, interval, self._look)

    def start(self) -> None:
        """Check the files from now on."""
        self._ticker.start()

    def stop(self) -> None:
        """Stop checking the files."""
        self._ticker.stop()

    def _look(self) -> None:
        now = stamp_of(self._paths)
        is_at_rest, self._before = now == self._before, now
        if is_at_rest and now != self._taken:
            self._taken = now
            self._changed()


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """Return a value that differs once one of the files was changed, created or deleted."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ctime_ns, status.st_size, status.st_ino))
    return tuple(found)
