"""Takes in connections of base stations, within the limits, and watches that they live."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from bssci.certificates.server import ServerTLS
from bssci.stations.admission import ConnectionCount, Limits
from bssci.stations.protocol import StationProtocol
from bssci.stations.refusals import Refusals
from bssci.stations.registry import Stations
from bssci.system.clock import Clock, Ticker

IDLE_TICK = 1.0
"""s between looks for silent stations"""


class StationFactory(Factory):
    """Makes a :class:`StationProtocol` for each connection.

    :param identity_policy: STATION_IDENTITY.
    :param now: Unix seconds.
    """

    noisy = False

    def __init__(
        self,
        clock: Clock,
        stations: Stations,
        limits: Limits,
        identity_policy: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.stations = stations
        self.limits = limits
        self.identity_policy = identity_policy
        self.count = ConnectionCount(limits)
        self.connections: set[StationProtocol] = set()
        self.refusals = Refusals()
        self._now = now
        self._unread: list[StationProtocol] = []
        self._ticker = Ticker(clock, IDLE_TICK, self._check_idle)

    def startFactory(self) -> None:
        self._ticker.start()

    def stopFactory(self) -> None:
        self._ticker.stop()

    def buildProtocol(self, addr: IAddress | None) -> StationProtocol:  # type: ignore[override]
        return StationProtocol(self, _host(addr))

    def refused(self, host: str, reason: str, station: str | None = None) -> None:
        """Remember that somebody was not let in."""
        self.refusals.add(host, reason, self._now(), station)

    def read_soon(self, connection: StationProtocol) -> None:
        """Let a connection read at the end of this turn of the reactor."""
        if not self._unread:
            self.clock.callLater(0, self._read)
        self._unread.append(connection)

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        for connection in unread:
            connection.read()

    def _check_idle(self) -> None:
        now = self.clock.seconds()
        for connection in list(self.connections):
            connection.check_idle(now)


class LimitedTLSFactory(TLSMemoryBIOFactory):
    """TLS around a :class:`StationFactory`; a connection too many is closed before TLS begins."""

    noisy = False
    log = Logger()

    def __init__(self, tls: ServerTLS, factory: StationFactory, clock: Any) -> None:
        super().__init__(tls, False, factory, clock)
        self._count = factory.count

    def buildProtocol(self, addr: IAddress | None) -> Any:
        host = _host(addr)
        if not self._count.enter(host):
            if self._count.refused % 100 == 1:
                self.log.warn(
                    "connection refused, too many {host} {open} {refused}",
                    host=host,
                    open=self._count.open,
                    refused=self._count.refused,
                )
            return None
        return super().buildProtocol(addr)


def _host(address: IAddress | None) -> str:
    return str(getattr(address, "host", "") or "")
