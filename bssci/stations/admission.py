"""Admission of base stations: bounds on connections and time, and EUIs that a certificate allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from bssci.model import EUI
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.frame import DEFAULT_MAX_SIZE


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds on each connection, and on all of them."""

    connections: int = 5000
    connections_per_host: int = 200
    frame_size: int = DEFAULT_MAX_SIZE
    """bytes of a frame, at most"""
    handshake_time: float = 10.0
    """s for the TLS handshake"""
    connect_time: float = 10.0
    """s from there to the end of the connect operation"""
    close_time: float = 5.0
    """s for sending the last messages and closing TLS"""
    ping_after: float = 10.0
    """s of silence after which we ping; a base station itself pings after 5 s"""
    close_after: float = 20.0
    """s of silence after which the connection is given up; it begins anew when a ping cannot be stored"""


@dataclass
class ConnectionCount:
    """Connections that are open, and how many were refused or closed for cause."""

    limits: ConnectionLimits
    open: int = 0
    refused: int = 0
    """over a limit"""
    failed_handshakes: int = 0
    """failed TLS handshakes, also those that took too long"""
    closed_for_framing: int = 0
    timed_out: int = 0
    """connections closed for a timeout before ``conCmp``, or for silence"""
    _by_host: Counter[str] = field(default_factory=Counter)

    def enter(self, host: str) -> bool:
        """Count a connection from this address; return false if it exceeds a limit."""
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


def check_identity(policy: str, station: EUI, named: Collection[EUI]) -> None:
    """Hold the EUIs that a certificate names in CN or SAN against the one of ``con``.

    :param policy: STATION_IDENTITY. ``lenient``: a certificate that names no EUI is valid for any station,
        one that names EUIs only for those; ``strict``: it must name the station.
    :raises ProtocolError: EPERM.
    """
    if station not in named and (named or policy == "strict"):
        names = ", ".join(sorted(named)) or "no EUI"
        raise ProtocolError(
            ErrorCode.EPERM, f"the certificate names {names}, not {station} (STATION_IDENTITY={policy})", 0
        )
