"""Messages published together, and the acknowledgements that they wait for."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from bssci.mqtt.values import MessagesRefused, Publication, PublishRefusal


class PublishBatch:
    """Messages published together, and the Deferred that waits for the last of them."""

    __slots__ = ("done", "messages", "next", "refused", "unacknowledged")

    def __init__(self, messages: Sequence[Publication]) -> None:
        self.messages = messages
        self.next = 0
        self.unacknowledged = len(messages)
        self.refused: dict[int, PublishRefusal] = {}
        """refused messages by their positions"""
        self.done: Deferred[None] = Deferred()

    def complete(self) -> None:
        """Notify the waiting caller that the broker has answered every message."""
        if self.refused:
            self.done.errback(MessagesRefused(dict(sorted(self.refused.items()))))
        else:
            self.done.callback(None)


class Confirmation:
    """The acknowledgement that a received message waits for."""

    __slots__ = ("packet_id", "taken")

    def __init__(self, packet_id: int) -> None:
        self.packet_id = packet_id
        self.taken = False
