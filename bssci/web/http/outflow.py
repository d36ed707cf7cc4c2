"""A long answer, written no faster than its client reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from bssci.journal import StorageError
from bssci.system.clock import Clock
from bssci.web.http.site import abort

PATIENCE = 60.0
"""s without reading after which a client is disconnected"""
PIECE = 16 * 1024
"""bytes written at a time: Twisted reports room only when everything that waits is sent, however long that
takes
"""


@implementer(IPushProducer)
class Outflow:
    """One request's answer, written a piece at a time.

    :ivar gone: the client went away, or was disconnected.
    :ivar lost: fires when the connection is closed.
    """

    def __init__(self, request: Request, clock: Clock) -> None:
        self.gone = False
        self._request = request
        self._clock = clock
        self._is_full = False
        self._waiting: Deferred[None] | None = None
        self.lost: Deferred[None] = Deferred()
        request.notifyFinish().addBoth(self._finished)
        request.registerProducer(self, True)

    async def write(self, data: bytes) -> None:
        """Write data; return when there is room for more, or when the client is gone."""
        for start in range(0, len(data), PIECE):
            if self.gone:
                return
            self._request.write(data[start : start + PIECE])
            if self._is_full:
                timer = self._clock.callLater(PATIENCE, self.abort)
                self._waiting = Deferred()
                await self._waiting
                if timer.active():
                    timer.cancel()

    def end(self) -> None:
        """End the answer: everything is written."""
        if not self.gone:
            self._request.unregisterProducer()

    def abort(self) -> None:
        """Break the connection, so that nobody takes an incomplete answer for a complete one."""
        if not self.gone:
            self.end()
            abort(self._request)
            self.stopProducing()

    def _finished(self, _: object) -> None:
        self.stopProducing()
        self.lost.callback(None)

    # IPushProducer

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        self.gone = True
        self.resumeProducing()


_log = Logger()


@contextmanager
def or_break_off(break_off: Callable[[], None]) -> Iterator[None]:
    """Break an answer off if the rest of it cannot be read: there is no other way to report the error."""
    try:
        yield
    except StorageError as error:
        _log.error("answer interrupted {error}", error=error)
        break_off()
    except Exception:  # whatever it is, the status has been sent already
        _log.failure("answer interrupted")
        break_off()
