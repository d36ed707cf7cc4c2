"""Interface of replays: the delivery of stored messages again to one sink, on request."""

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
    """Unix seconds, inclusive"""
    to_at: float
    """Unix seconds, inclusive"""
    devices: tuple[str, ...] = ()
    """ids of the senders; empty: all"""
    publish: bool = False
    """confirms a replay to a sink that publishes to listeners, such as MQTT subscribers"""


ReplayListener = Callable[[Sequence[AnyEvent]], "Deferred[None]"]
"""called with decoded events that were published again; the replay goes on when the Deferred fires"""


class Replaying(Protocol):
    """Carries out replays, one after the other at each sink."""

    async def begin(self, request: ReplayRequest, by: str) -> dict[str, Any]:
        """Begin a replay, which continues after a restart; return its progress once it is stored.

        :raises CommandError: there is no such sink, it supports no replays, or too many are open.
        """

    async def cancel(self, number: int) -> dict[str, Any]:
        """End a replay early, without undoing what was delivered; return its progress.

        :raises CommandError: ``unknown_replay``, or it is over.
        """

    def sinks(self) -> dict[str, bool]:
        """Return the sinks that support replays, each with whether its replays need ``publish``."""

    def listed(self) -> list[dict[str, Any]]:
        """Return the progress of all replays as JSON values, newest first."""

    def listen(self, listener: ReplayListener) -> None:
        """Call ``listener`` with events that are published again, from now on."""
