"""The end of the process within a bound, whatever hangs: a name server, a disk."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from twisted.logger import Logger

_log = Logger()


class Deadline:
    """Ends the process some time after :meth:`arm`, if it has not ended by itself.

    The reactor waits for its threads when it stops, and Python for all others, without a bound.

    :param seconds: until the process is ended by :func:`os._exit`.
    :param last: seconds until the system ends it, even if Python itself no longer gets a turn.
    :param status: gives the exit status.
    """

    def __init__(
        self,
        seconds: float,
        last: int,
        status: Callable[[], int],
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._seconds = seconds
        self._last = last
        self._status = status
        self._exit = leave

    def arm(self) -> None:
        """Begin to count. In the main thread only."""
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self._last)

    def _end(self) -> None:
        status = self._status()
        waiting = [each.name for each in threading.enumerate() if not each.daemon and each.is_alive()]
        _log.warn("process ended though threads hang {threads}", threads=waiting)
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        self._exit(status)
