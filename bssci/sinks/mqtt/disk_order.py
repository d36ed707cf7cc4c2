"""The order of what the disk refuses, and of what comes meanwhile.

refused --> the first is tried again after 5 s, until it is stored --> the others follow in their order
   |                                                                          ^
   +------> others, and what comes meanwhile, wait behind it -----------------+
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from bssci.journal import StorageError
from bssci.mqtt.values import MessageNotTaken
from bssci.system.clock import Clock, pause
from bssci.system.line_limit import LineLimit

RETRY = 5.0
"""s until the first is stored again"""
AT_ONCE = 20
"""of those that follow it, as many go on in one turn of the reactor"""


class Stopped(MessageNotTaken):
    """The service stops: the request is resumed at its next start, or delivered again by the broker."""


class DiskOrder:
    """One line of requests, each with the number by which they are in order.

    :param lines: limits the log lines about the disk.
    """

    log = Logger()

    def __init__(self, clock: Clock, lines: LineLimit) -> None:
        self._clock = clock
        self._lines = lines
        self._first: int | None = None
        """number of the request that is tried again; None: there is none"""
        self._behind: dict[int, Deferred[None]] = {}
        """requests behind it, by their numbers"""
        self._waiting: set[Deferred[None]] = set()
        self._stopped = False

    @property
    def is_waiting(self) -> bool:
        """Return whether a request waits for the disk."""
        return bool(self._waiting)

    def stop(self) -> None:
        """End all waiting, now and later, with :class:`Stopped`."""
        self._stopped = True
        for waiting in list(self._waiting):
            waiting.cancel()

    async def enter(self, number: int) -> None:
        """Wait while earlier requests wait.

        :raises Stopped: the service stops meanwhile.
        """
        if self._first is not None or self._behind:
            await self._wait_behind(number)

    async def again(self, number: int, error: StorageError) -> None:
        """Wait until a request that the disk refused may be stored again.

        :raises Stopped: the service stops meanwhile, or has stopped.
        """
        if self._stopped:
            raise Stopped("the service stops")
        if self._lines.admit() is not None:
            self.log.warn("request waits for the disk {error}", error=error)
        if self._first is None:
            self._first = number
        if self._first == number:
            await self._until_stopped(pause(self._clock, RETRY))
        else:
            await self._wait_behind(number)

    def leave(self, number: int) -> None:
        """Let the others follow a request that is stored, or given up."""
        if self._first == number:
            self._first = None
            self._follow()

    async def _wait_behind(self, number: int) -> None:
        waiting = self._behind[number] = Deferred()
        try:
            await self._until_stopped(waiting)
        finally:
            self._behind.pop(number, None)

    def _follow(self) -> None:
        if self._first is not None:
            return  # one that has just followed was refused, too
        for number in sorted(self._behind)[:AT_ONCE]:
            self._behind.pop(number).callback(None)
        if self._behind:
            self._clock.callLater(0, self._follow)

    async def _until_stopped(self, waiting: Deferred[None]) -> None:
        self._waiting.add(waiting)
        try:
            await waiting
        except CancelledError as cancelled:
            raise Stopped("the service stops") from cancelled
        finally:
            self._waiting.discard(waiting)
