"""TLS around the connections of base stations, and the limit on their number before it begins."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory

from bssci.certificates.server import ServerTLS
from bssci.stations.protocol import StationFactory, host_of
from bssci.system.line_limit import LineLimit


class _Transport(BufferingTLSTransport):
    """The TLS layer of one connection, which remembers whether any byte ever came."""

    was_spoken_to = False

    def dataReceived(self, data: bytes) -> None:
        self.was_spoken_to = True
        super().dataReceived(data)


class LimitedTLSFactory(TLSMemoryBIOFactory):
    """TLS around a :class:`StationFactory`; a connection beyond the limits is closed before TLS begins."""

    protocol = _Transport
    noisy = False
    log = Logger()

    def __init__(self, tls: ServerTLS, factory: StationFactory, clock: IReactorTime) -> None:
        super().__init__(tls, False, factory, clock)
        self._count = factory.count
        self._lines = LineLimit(clock.seconds, lines=1)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        host = host_of(addr)
        if not self._count.enter(host):
            if self._lines.admit() is not None:
                self.log.warn(
                    "connection refused, too many {host} {open} {refused}",
                    host=host,
                    open=self._count.open,
                    refused=self._count.refused,
                )
            return None
        return super().buildProtocol(addr)
