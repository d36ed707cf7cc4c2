"""The message at which a broker closes the connection: found, and passed over from then on.

    all at once --connection lost 2 times--> one by one, from where the broker stopped to acknowledge
    one of them --lost 3 times--> another one in its place --taken--> the first is passed over
                                                           --lost---> nothing is, and it goes on

Nothing is passed over while the broker takes nothing else either, as when it is the network that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from bssci.mqtt.values import Message, MqttOffline

LOSSES = 2
"""connections in a row that end while the same messages are under way, until they are sent one by one"""
LOSSES_ALONE = 3
"""the same of a message that is sent alone, until another one is tried in its place"""


class Publisher:
    """Publishes batches that come again until they are taken.

    :param publish: see :meth:`bssci.mqtt.client.MqttClient.publish`.
    :param spare: a message that may be published at any time.
    """

    def __init__(
        self, publish: Callable[[Sequence[Message]], Deferred[None]], spare: Callable[[], Message]
    ) -> None:
        self._publish = publish
        self._spare = spare
        self._forget()

    def _forget(self) -> None:
        self._first: Message | None = None
        """of the batch that the connection was lost with"""
        self._passed = 0
        """messages of it that are taken, as they were sent one by one"""
        self._losses = 0
        self._one_by_one = False
        self._suspect: Message | None = None
        self._trials = 0
        """of another message in place of the suspect"""
        self._guilty: set[int] = set()

    async def publish(self, messages: Sequence[Message]) -> Sequence[int]:
        """Publish a batch, perhaps one that was not taken before and has grown at its end.

        :return: the positions of messages that were passed over.
        :raises MqttOffline: the connection was lost.
        """
        if not messages:
            return ()
        if messages[0] != self._first:
            self._forget()
            self._first = messages[0]
        if self._one_by_one:
            await self._publish_one_by_one(messages)
        else:
            try:
                await self._publish(messages)
            except MqttOffline:
                self._losses += 1
                if self._losses >= LOSSES:
                    self._one_by_one, self._losses = True, 0
                raise
        guilty = sorted(self._guilty)
        self._forget()
        return guilty

    async def _publish_one_by_one(self, messages: Sequence[Message]) -> None:
        while self._passed < len(messages):
            message = messages[self._passed]
            if self._suspect is not None:
                await self._try_another(messages)
            else:
                try:
                    await self._publish([message])
                except MqttOffline:
                    self._losses += 1
                    if self._losses >= LOSSES_ALONE:
                        self._suspect = message
                    raise
            self._losses = 0
            self._passed += 1

    async def _try_another(self, messages: Sequence[Message]) -> None:
        """Publish another message than the suspect, which is passed over if the broker takes that one."""
        others = [each for each in messages[self._passed + 1 :] if each != self._suspect] or [self._spare()]
        self._suspect, self._losses = None, 0
        self._trials += 1
        # One after the other, as the next one may be at fault as well.
        await self._publish([others[(self._trials - 1) % len(others)]])
        self._guilty.add(self._passed)
        self._trials = 0
