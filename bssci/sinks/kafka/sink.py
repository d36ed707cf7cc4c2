"""The sink ``kafka``: everything on the raw topic, readings on the decoded one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, ensureDeferred
from zope.interface import implementer

from bssci.kafka.producing import ProducerMessage, RefusedMessage
from bssci.kafka.reporting import KafkaError
from bssci.sinks.interfaces import ISink
from bssci.sinks.kafka.messages import decoded_messages, raw_message
from bssci.sinks.set_aside import RefusalStreak, SetAside

STOP_TIME = 1.5
"""s that a stop waits for the batch under way"""


class Producer(Protocol):
    """The part of a producer that the sink uses."""

    trouble: str

    def start(self) -> None: ...

    def send(self, messages: Sequence[ProducerMessage]) -> Deferred[list[RefusedMessage]]: ...

    def stop(self, seconds: float) -> Deferred[None]: ...


SOURCE = "kafka"
"""source that reads the raw topic: what it brought is not written there again"""


@implementer(ISink)
class KafkaSink:
    """Sends the messages of a batch, and counts those that the brokers refuse."""

    replayable = "asked"

    def __init__(self, producer: Producer, raw_topic: str, decoded_topic: str, base_topic: str) -> None:
        self._producer = producer
        self._raw_topic = raw_topic
        self._decoded_topic = decoded_topic
        self._base_topic = base_topic
        self.set_aside = SetAside("kafka")
        self._streak = RefusalStreak()

    @property
    def trouble(self) -> str:
        """Reason why nothing can be sent now; empty: it can."""
        return self._producer.trouble

    def start(self) -> None:
        self._producer.start()

    def deliver(self, batch: Sequence[Any]) -> Deferred[None]:
        return ensureDeferred(self._deliver(batch))

    def stop(self) -> Deferred[None]:
        return self._producer.stop(STOP_TIME)

    async def _deliver(self, batch: Sequence[Any]) -> None:
        messages: list[ProducerMessage] = []
        events: list[Any] = []
        """event of each message"""
        aside: list[tuple[Any, str]] = []
        for event in batch:
            try:
                made = list(decoded_messages(event, self._decoded_topic))
                if getattr(event, "source", "") != SOURCE:
                    made.insert(0, raw_message(event, self._raw_topic, self._base_topic))
            except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                aside.append((event, f"it cannot be written as JSON: {error}"))
                continue
            messages += made
            events += [event] * len(made)
        refused = await self._producer.send(messages) if messages else []
        # Only now, so that no repetition of the batch counts anything twice.
        reasons = {id(events[each.place]): (events[each.place], each.reason) for each in refused}
        places = {each.place for each in refused}
        taken = {id(event) for place, event in enumerate(events) if place not in places}
        keys = {id(event): message.value for event, message in zip(events, messages, strict=True)}
        outcomes = [None if event in taken else key for event, key in keys.items()]
        if messages and not self._streak.excuses(outcomes):
            what = "many messages in a row" if taken else "every message"
            raise KafkaError(f"the brokers refuse {what}: {refused[0].reason}")
        for event, reason in [*aside, *reasons.values()]:
            self.set_aside.add(event, reason)
