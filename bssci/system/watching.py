"""Detection of changes to files, once they have been left alone for a moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bssci.system.clock import Clock, Ticker

INTERVAL = 5.0
"""seconds between two checks"""

FileStamp = tuple[int, int, int]
MISSING: FileStamp = (0, 0, 0)
"""stamp of a file that is not there, or cannot be looked at"""


class FileWatch:
    """Calls ``changed`` after a file has changed and then stayed the same for one interval.

    An editor that writes in several steps is thus waited for. Changes between the creation of this object
    and :meth:`start` count, too.

    :param paths: returns the files to watch; they need not exist. Another file counts as a change.
    :param interval: seconds between two checks.
    """

    def __init__(
        self,
        clock: Clock,
        paths: Callable[[], Sequence[Path]],
        changed: Callable[[], object],
        interval: float = INTERVAL,
    ) -> None:
        self._paths = paths
        self._changed = changed
        self._taken = self._before = stamps_of(paths())
        self._ticker = Ticker(clock, interval, self._look)

    def start(self) -> None:
        """Check the files from now on."""
        self._ticker.start()

    def stop(self) -> None:
        """Stop checking the files."""
        self._ticker.stop()

    def _look(self) -> None:
        now = stamps_of(self._paths())
        is_at_rest, self._before = now == self._before, now
        if is_at_rest and now != self._taken:
            self._taken = now
            self._changed()


def stamps_of(paths: Sequence[Path]) -> tuple[FileStamp, ...]:
    """Return a value that differs once one of the files was changed, created or deleted."""
    return tuple(map(stamp_of, paths))


def stamp_of(path: Path) -> FileStamp:
    """Return a value that differs once the file was changed, created or deleted."""
    try:
        return stamp_in(os.stat(path))
    except OSError:
        return MISSING


def stamp_in(status: os.stat_result) -> FileStamp:
    """Return the stamp of a file of this status.

    The time of the last change of the status is in it: programs set that of the contents back, as ``cp -p``.
    """
    return (status.st_ctime_ns, status.st_size, status.st_ino)
