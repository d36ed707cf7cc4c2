"""The burst of connections that one model of base station makes when it starts: 14 in 0.3 s, of which six
complete.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from bssci.simulator.connection import codec_for, packer
from bssci.simulator.quirks import Quirks
from bssci.wire.errors import ProtocolError
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import Con, ConCmp, ConRsp

CONNECTIONS = 14
FINISHED = 6
DURATION = 0.3
"""Seconds between the first connection and the last."""
PATIENCE = 10.0
"""Seconds after which the station drops the connections that it did not use."""


class Storm:
    """All connections of the burst except the last, which the station keeps.

    :param quirks: quirks of the station.
    :param build_con: makes the station's ``con``.
    """

    def __init__(
        self,
        quirks: Quirks,
        build_con: Callable[[], Con],
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
    ) -> None:
        self._quirks = quirks
        self._build_con = build_con
        self._endpoint = endpoint
        self._clock = clock
        self._timers: list[IDelayedCall] = []
        self._connecting: list[Deferred[IProtocol]] = []
        self._gusts: list[_Gust] = []

    def begin(self, last: Callable[[], None]) -> None:
        """Open the connections at even intervals; the last five of them complete. Then call ``last``."""
        step = DURATION / (CONNECTIONS - 1)
        for number in range(CONNECTIONS - 1):
            finishes = number >= CONNECTIONS - FINISHED
            self._timers.append(self._clock.callLater(step * number, self._open, finishes))
        self._timers.append(self._clock.callLater(DURATION, last))
        self._timers.append(self._clock.callLater(PATIENCE, self.end))

    def end(self) -> None:
        """Drop the connections that are left."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        for connecting in self._connecting:
            connecting.cancel()
        for gust in self._gusts:
            gust.abort()

    def _open(self, finishes: bool) -> None:
        gusts = Factory.forProtocol(lambda: _Gust(self._quirks, self._build_con, finishes))
        gusts.noisy = False
        connecting = self._endpoint.connect(gusts)
        self._connecting.append(connecting)
        connecting.addCallbacks(self._gusts.append, lambda _: None)


class _Gust(Protocol):
    """A connection that completes its ``con`` and then does nothing, or does nothing at all."""

    transport: ITCPTransport

    def __init__(self, quirks: Quirks, build_con: Callable[[], Con], finishes: bool) -> None:
        self._build_con = build_con
        self._finishes = finishes
        self._is_open = False
        self._frames = FrameDecoder()
        self._codec = codec_for(quirks)
        self._pack = packer(quirks, self._codec)

    def connectionMade(self) -> None:
        self._is_open = True
        if self._finishes:
            self.transport.write(self._pack(self._build_con()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_open = False

    def abort(self) -> None:
        """Cut the connection if it is still open."""
        if self._is_open:
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        try:
            messages = [self._codec.decode(payload) for payload in self._frames.feed(data)]
        except ProtocolError:
            return
        if any(isinstance(message, ConRsp) for message in messages):
            self.transport.write(self._pack(ConCmp(opId=0)))
