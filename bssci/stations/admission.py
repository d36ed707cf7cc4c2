"""Admission of base stations: limits on connections and times, and the EUIs that a certificate allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from bssci.model import EUI
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.frame import DEFAULT_MAX_SIZE


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits on each connection, and on all connections together."""

    connections: int = 5000
    connections_per_host: int = 200
    frame_size: int = DEFAULT_MAX_SIZE
    """bytes of a frame's payload, at most"""
    handshake_time: float = 10.0
    """s for the TLS handshake"""
    connect_time: float = 10.0
    """s from the end of the handshake to the end of the connect operation"""
    close_time: float = 5.0
    """s for sending the last messages and closing TLS"""
    ping_after: float = 10.0
    """s of silence after which we ping; a base station itself pings after 5 s"""
    close_after: float = 20.0
    """s of silence after which the connection is closed; counted anew when a ping could not be stored"""


@dataclass
class ConnectionCount:
    """Numbers of open connections, and of those that were refused or closed because of an error."""

    limits: ConnectionLimits
    open: int = 0
    refused: int = 0
    """connections refused at a limit"""
    failed_handshakes: int = 0
    """failed TLS handshakes, also those that took too long"""
    closed_for_framing: int = 0
    timed_out: int = 0
    """connections closed for a timeout before ``conCmp``, or for silence"""
    _by_host: Counter[str] = field(default_factory=Counter)

    def enter(self, host: str) -> bool:
        """Count a new connection from this address; return false if that would exceed a limit."""
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
    """Check that a station may use its certificate, given the EUIs that the certificate names in CN or SAN.

    :param policy: STATION_IDENTITY. ``lenient``: a certificate that names no EUI is valid for any station,
        and one that names EUIs for those only; ``strict``: it must name the station.
    :param station: EUI in ``con``.
    :param named: EUIs in the certificate.
    :raises ProtocolError: EPERM: it may not.
    """
    if station not in named and (named or policy == "strict"):
        names = ", ".join(sorted(named)) or "no EUI"
        raise ProtocolError(
            ErrorCode.EPERM, f"the certificate names {names}, not {station} (STATION_IDENTITY={policy})", 0
        )
