"""An upper bound on the time that the process takes to stop, even if a name server or a disk hangs."""

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

    Without it, a stop may take for ever: the reactor waits for its threads, and Python for all others.

    :param seconds: time until the process is ended by :func:`os._exit`.
    :param last: seconds until SIGALRM ends it, even if no Python code can run any more.
    :param status: returns the exit status.
    :param leave: ends the process with an exit status; for tests.
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
        """Start the countdown. In the main thread only."""
        timer = threading.Timer(self._seconds, self._end)
        timer.daemon = True
        timer.start()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self._last)

    def _end(self) -> None:
        status = self._status()
        waiting = [each.name for each in threading.enumerate() if not each.daemon and each.is_alive()]
        _log.warn("process ended although threads hang {threads}", threads=waiting)
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        self._exit(status)
