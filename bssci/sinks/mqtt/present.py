"""Publishing the present states after each connect, without those at which the broker closes the connection.

    all at once --connection lost 2 times--> one by one, behind a message that the broker takes
    one of them --lost 3 times--> it is skipped; two of a kind: all of that kind are

Until that is settled nothing else is published, which would be cut off with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from bssci.mqtt.values import MessagesRefused, MqttOffline, Publication

LOSSES = 2
"""connections in a row that end while the states are under way, before they are sent one by one"""
LOSSES_ALONE = 3
"""the same for a state that is sent alone, before it is skipped"""
SKIPPED_OF_KIND = 2
"""skipped states of a kind, from which on all of that kind are skipped"""


class PresentStates:
    """Publishes all states after a connect.

    :param publish: see :meth:`bssci.mqtt.client.MqttClient.publish`.
    :param spare: a message that may be published at any time.
    :param refused: called with the messages of which the broker refused some (MQTT 5).
    :param found: called when a state at fault was found.
    """

    log = Logger()

    def __init__(
        self,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        spare: Callable[[], Publication],
        refused: Callable[[Sequence[Publication], MessagesRefused], None],
        found: Callable[[], None],
    ) -> None:
        self._publish = publish
        self._spare = spare
        self._refused = refused
        self._found = found
        self._waiting: list[Deferred[None]] = []
        self.forget()

    def forget(self) -> None:
        """Begin anew, as at another broker."""
        self._losses = 0
        self._losses_alone: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        """number of skipped states by kind"""
        self._skipped: set[str] = set()
        self._one_by_one = False
        self.warning = ""
        """text that says which states are not published, and why; empty: all are"""

    def is_skipped(self, message: Publication) -> bool:
        """Return whether the broker closes the connection at a state of this topic."""
        return message.topic in self._skipped or self._kinds[_kind(message)] >= SKIPPED_OF_KIND

    def settled(self) -> Deferred[None]:
        """Fire when other messages may be published; fail with ``MqttOffline``."""
        if not self._one_by_one:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    async def publish(self, states: Sequence[Publication]) -> None:
        """Publish states.

        :raises MqttOffline: the connection was lost.
        """
        messages = [each for each in states if not self.is_skipped(each)]
        try:
            if self._one_by_one:
                await self._publish_one_by_one(messages)
            else:
                await self._publish_some(messages)
        except MqttOffline as error:
            self._losses += 1
            self._one_by_one = self._losses >= LOSSES
            self._release(error)
            raise
        self._losses, self._one_by_one = 0, False
        self._losses_alone.clear()
        self._release()

    def _release(self, error: MqttOffline | None = None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None) if error is None else each.errback(error)

    async def _publish_one_by_one(self, messages: Sequence[Publication]) -> None:
        await self._publish_some([self._spare()])
        for each in messages:
            try:
                await self._publish_some([each])
            except MqttOffline:
                self._losses_alone[each.topic] += 1
                if self._losses_alone[each.topic] >= LOSSES_ALONE:
                    self._skip(each)
                raise

    async def _publish_some(self, messages: Sequence[Publication]) -> None:
        try:
            await self._publish(messages)
        except MessagesRefused as error:
            self._refused(messages, error)

    def _skip(self, message: Publication) -> None:
        self._skipped.add(message.topic)
        self._kinds[_kind(message)] += 1
        topic = message.topic
        if self._kinds[_kind(message)] >= SKIPPED_OF_KIND:
            topic = f"{topic} and all others of its kind"
        self.warning = (
            f"the broker closes the connection at {topic} ({len(message.payload)} bytes"
            f"{', retained' if message.retain else ''}), which is no longer published"
        )
        self.log.error("MQTT state not published {warning}", warning=self.warning)
        self._found()


def _kind(message: Publication) -> str:
    """Return the topic without the part that names the station, scanner or controller."""
    first, _, last = message.topic.rpartition("/")
    return f"{first.rpartition('/')[0]}/+/{last}"
