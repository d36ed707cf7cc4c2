"""The bounds of what base stations may take: connections and time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bssci.wire.frame import DEFAULT_MAX_SIZE


@dataclass(frozen=True)
class Limits:
    """Bounds on each connection, and on all of them."""

    connections: int = 5000
    connections_per_host: int = 200
    frame_size: int = DEFAULT_MAX_SIZE
    """bytes"""
    handshake_time: float = 10.0
    """s for the TLS handshake"""
    connect_time: float = 10.0
    """s from there to the end of the connect operation"""
    close_time: float = 5.0
    """s that a station has to take the last words and the end of TLS"""
    ping_after: float = 10.0
    """s of silence after which we ping; a base station itself pings after 5 s"""
    close_after: float = 20.0
    """s of silence after which the connection is given up; it begins anew when a ping cannot be stored"""


@dataclass
class ConnectionCount:
    """Connections that are open, and how many were refused or closed for cause."""

    limits: Limits
    open: int = 0
    refused: int = 0
    """over a limit"""
    failed_handshakes: int = 0
    """also those that took too long"""
    closed_for_framing: int = 0
    timed_out: int = 0
    """before ``conCmp``, or silent"""
    _by_host: Counter[str] = field(default_factory=Counter)

    def enter(self, host: str) -> bool:
        """Take in a connection from this address; false if it is one too many."""
        if self.open >= self.limits.connections or self._by_host[host] >= self.limits.connections_per_host:
            self.refused += 1
            return False
        self.open += 1
        self._by_host[host] += 1
        return True

    def leave(self, host: str) -> None:
        self.open -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
