"""An embedded broker for tests of what starts and stops one."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class ToldBroker:
    """An embedded broker that starts and stops when told."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.starts: list[Deferred[None]] = []
        self.stops: list[Deferred[None]] = []

    def start(self) -> Deferred[None]:
        self.starts.append(Deferred())
        return self.starts[-1]

    def stop(self) -> Deferred[None]:
        self.stops.append(Deferred())
        return self.stops[-1]
