"""Connection to a base station, as the station uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bssci.wire.messages import Message


class Link(Protocol):
    """A connection to a base station."""

    peer: str
    """address of the station: host:port"""
    certificate: bytes
    """certificate that the station presented, as DER"""
    signers: Sequence[bytes]
    """certificates (DER) of the authorities that vouch for it, up to one of ours"""

    def send(self, messages: Sequence[Message]) -> None:
        """Write messages, in this order."""

    def disconnect(self, reason: str) -> None:
        """Close the connection once everything written has been sent; ``reason`` is for the log."""

    def abort(self, reason: str) -> None:
        """Close the connection at once, discarding unsent data."""

    def not_asked(self) -> None:
        """Note that a ping could not be sent, so that the station's silence up to now does not count."""
