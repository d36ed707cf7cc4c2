"""Messages on their way to the broker: limited in number, and kept or dropped while it is unreachable."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.mqtt.values import Publication

BATCH = 200
"""messages that are handed to the client at a time"""


class Client(Protocol):
    """The part of the MQTT client that is used here."""

    @property
    def online(self) -> bool: ...

    def publish(self, messages: Any) -> Deferred[None]: ...


class Outbox:
    """Queue of messages, of which one batch at a time is being sent.

    :ivar sent: messages that the broker acknowledged.
    :ivar dropped: messages that were dropped.
    """

    def __init__(self, client: Client, while_offline: Literal["drop", "keep"], size: int) -> None:
        self._client = client
        self._keeps = while_offline == "keep"
        self._size = size
        self._waiting: deque[Publication] = deque()
        self._under_way: list[Publication] = []
        self.sent = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def add(self, message: Publication) -> None:
        """Send a message as soon as possible, or drop it."""
        if not self._client.online and not self._keeps:
            self.dropped += 1
            return
        self._waiting.append(message)
        while len(self) > self._size and self._waiting:
            self._waiting.popleft()
            self.dropped += 1
        self.go_on()

    def go_on(self) -> None:
        """Send the waiting messages; also called when the broker is connected again."""
        if self._under_way or not self._waiting or not self._client.online:
            return
        self._under_way = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._client.publish(self._under_way).addCallbacks(self._sent, self._failed)

    def _sent(self, _: object) -> None:
        self.sent += len(self._under_way)
        self._under_way = []
        self.go_on()

    def _failed(self, failure: Failure) -> None:
        """Put a batch back, or drop it. It may have arrived nevertheless; the service recognises
        repetitions.
        """
        batch, self._under_way = self._under_way, []
        if self._keeps:
            self._waiting.extendleft(reversed(batch))
        else:
            self.dropped += len(batch) + len(self._waiting)
            self._waiting.clear()
