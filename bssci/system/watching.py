"""Files that others change: noticed once they are at rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bssci.system.clock import Clock, Ticker

INTERVAL = 5.0
"""seconds between two looks"""

Stamp = tuple[tuple[int, int, int], ...]


class FileWatch:
    """Calls ``changed`` after a file has changed and then stayed the same for one interval.

    An editor that writes in pieces is waited for. What changed before :meth:`start` counts, too, from the
    making of this object on.
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
        """Look from now on."""
        self._ticker.start()

    def stop(self) -> None:
        """Stop looking at the files."""
        self._ticker.stop()

    def _look(self) -> None:
        now = stamp_of(self._paths)
        is_at_rest, self._before = now == self._before, now
        if is_at_rest and now != self._taken:
            self._taken = now
            self._changed()


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """Return a value that differs once one of the files has changed, come or gone."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
