"""Commands that a source publishes, each with the message that answers it.

::

    send --> published by the source --> answer with the same key, on disk --> answered
                   |                              10 s without one ----------> not answered
                   +-- not connected ---------------------------------------> error
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred, TimeoutError

from bssci.model.commands import CommandError
from bssci.system.clock import Clock, within

ANSWER_TIME = 10.0
"""s that the broker's acknowledgement, and then the answer, may take"""


class PublishBySource(Protocol):
    """Publishes messages through sources."""

    def publish(self, name: str, topic: str, payload: bytes) -> Deferred[None]:
        """Publish a message through a source; fires when the broker has it.

        :raises CommandError: ``unavailable``.
        """


class CommandExchange:
    """Publishes commands, one at a time for each key, and waits for their answers."""

    def __init__(self, clock: Clock, sources: PublishBySource) -> None:
        self._clock = clock
        self._sources = sources
        self._waiting: dict[str, Deferred[Mapping[str, Any]]] = {}

    def __bool__(self) -> bool:
        """Return whether any command waits for its answer."""
        return bool(self._waiting)

    async def send(self, key: str, source: str, topic: str, payload: bytes) -> Mapping[str, Any] | None:
        """Publish a command, and return its answer; None if none comes in time.

        :raises CommandError: ``busy``: another command waits for its answer; ``unavailable``: it cannot be
            published.
        """
        if key in self._waiting:
            raise CommandError("busy", f"another command to {key} waits for its answer")
        # The answer may come before the broker's acknowledgement.
        answer = self._waiting[key] = Deferred()
        try:
            await self._publish(source, topic, payload)
            return await within(ANSWER_TIME, answer, self._clock)
        except TimeoutError:
            return None
        finally:
            del self._waiting[key]

    async def _publish(self, source: str, topic: str, payload: bytes) -> None:
        published = self._sources.publish(source, topic, payload)
        try:
            await within(ANSWER_TIME, published, self._clock)
        except TimeoutError:
            raise CommandError(
                "unavailable",
                f"the broker did not acknowledge within {ANSWER_TIME:.0f} s; it may have the command",
            ) from None

    def waits_for(self, key: str) -> bool:
        """Return whether a command waits for an answer with this key."""
        waiting = self._waiting.get(key)
        return waiting is not None and not waiting.called

    def answer(self, key: str, answer: Mapping[str, Any]) -> None:
        """Pass an answer to the command that waits for it."""
        self._waiting[key].callback(answer)
