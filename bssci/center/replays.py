"""The terms of a replay: kept messages delivered again to one sink, on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from bssci.model import AnyEvent


class ReplayRequest(NamedTuple):
    """Messages to deliver again, and the sink to deliver them to."""

    sink: str
    """name of the sink"""
    from_at: float
    """Unix seconds: the first that counts"""
    to_at: float
    """Unix seconds: the last that counts"""
    devices: tuple[str, ...] = ()
    """ids of the senders; empty: all"""
    publish: bool = False
    """also into a sink that people listen to"""


ReplayListener = Callable[[Sequence[AnyEvent]], "Deferred[None]"]
"""Called with events, with their readings, that were delivered again where people listen; the replay goes on
when the Deferred fires."""


class Replaying(Protocol):
    """Carries out replays, one after the other at each sink."""

    async def begin(self, request: ReplayRequest, by: str) -> dict[str, Any]:
        """Begin a replay, which goes on also after a restart; returns how it stands once it is stored.

        :raises CommandError: there is no such sink, it takes no replay, or too many are open.
        """

    async def cancel(self, number: int) -> dict[str, Any]:
        """End a replay early; what was delivered stays. Return how it stands.

        :raises CommandError: ``unknown_replay``, or it is over.
        """

    def sinks(self) -> dict[str, bool]:
        """Return the sinks that take replays, and whether that needs ``publish``: people listen there."""

    def listed(self) -> list[dict[str, Any]]:
        """Return how every replay stands, as JSON knows it, the newest first."""

    def listen(self, listener: ReplayListener) -> None:
        """Call ``listener`` with what is published again, from now on."""
