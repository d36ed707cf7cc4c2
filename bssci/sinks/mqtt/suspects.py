"""Finding the message at which a broker closes the connection, and passing it over from then on.

    all at once --connection lost 2 times--> one by one, those that were in flight each time
    one of them --lost 3 times--> another one in its place --taken--> the first is skipped
                                                           --lost---> nothing is, and it goes on

Nothing is skipped while the broker takes nothing else either, as when the network fails. In MQTT 5 a
broker says what it refuses: see :mod:`bssci.sinks.mqtt.refusals`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from twisted.internet.defer import Deferred

from bssci.mqtt.publishing import WINDOW
from bssci.mqtt.values import MessagesRefused, MqttOffline, Publication, PublishRefusal
from bssci.sinks.mqtt.canary import NotSentBack
from bssci.sinks.mqtt.refusals import MessagesHeld, PublishRefusals

EVERYTHING = range(sys.maxsize)
"""all positions of a batch, however long"""
LOSSES = 2
"""connections in a row that end while the same messages are under way, before they are sent one by one"""
CLOSES = "closes the connection at it"
LOSSES_ALONE = 3
"""the same for a message that is sent alone, before another one is tried in its place"""


class Publisher:
    """Publishes batches, which come again until they are taken.

    :param publish: see :meth:`bssci.mqtt.client.MqttClient.publish`.
    :param spare: a message that may be published at any time.
    :param refusals: decides what becomes of messages that the broker refuses.
    :param found: called when a message at fault was found.
    """

    def __init__(
        self,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        spare: Callable[[], Publication],
        refusals: PublishRefusals,
        found: Callable[[], None],
    ) -> None:
        self._publish_all = publish
        self._spare = spare
        self._refusals = refusals
        self._found = found
        self._forget()

    def _forget(self) -> None:
        self._batch: Sequence[Publication] = ()
        """batch as it was last published, by which it is recognised"""
        self._size = 0
        """number of its messages when some of them were held"""
        self._passed = 0
        """number of messages that are settled, counted while they are sent one by one"""
        self._losses = 0
        self._one_by_one = False
        self._suspects = EVERYTHING
        """positions of the messages of which one may be at fault"""
        self._tried: Publication | None = None
        """message that was last sent alone"""
        self._suspect: Publication | None = None
        self._why = CLOSES
        self._trials = 0
        """number of attempts with another message in place of the suspect"""
        self._guilty: dict[int, str] = {}
        """messages that are skipped, and why"""
        self._refused: dict[int, PublishRefusal] = {}
        self._held: set[int] | None = None
        """positions of messages that wait until the broker takes them, all others being settled; None: none
        is settled"""

    @property
    def hunt(self) -> str:
        """Words for what is tried while the message at fault is looked for; empty: none is."""
        if not self._one_by_one:
            return ""
        tried = f"{self._tried.topic} ({len(self._tried.payload)} bytes)" if self._tried else "each"
        return f"looking for the message at which the broker closes the connection: {tried} is sent alone"

    async def publish(self, messages: Sequence[Publication]) -> Mapping[int, str]:
        """Publish a batch; one that was not taken before may have grown at its end.

        :return: why messages were skipped, by their positions.
        :raises MqttOffline: the connection was lost.
        :raises MessagesHeld: the broker refuses some that must wait; the others are settled.
        """
        if not messages:
            return {}
        if not self._is_known(messages):
            self._forget()
        if len(messages) < len(self._batch):
            self._forget_behind(len(messages))
        self._batch = messages
        positions = self._unsettled(messages)
        if self._one_by_one:
            await self._publish_one_by_one(messages, set(positions))
        await self._publish_together([at for at in positions if at >= self._passed], messages)
        await self._judge(messages, positions)
        guilty = dict(sorted(self._guilty.items()))
        self._forget()
        return guilty

    def _is_known(self, messages: Sequence[Publication]) -> bool:
        """Return whether a batch is the last one, which may have changed at its end.

        What is noted of messages is noted by their positions.
        """
        common = min(len(messages), len(self._batch))
        return messages[:common] == self._batch[:common]

    def _forget_behind(self, end: int) -> None:
        """Forget what is noted of messages that the batch has no longer."""
        self._guilty = {at: why for at, why in self._guilty.items() if at < end}
        self._refused = {at: refusal for at, refusal in self._refused.items() if at < end}
        self._held = None if self._held is None else {at for at in self._held if at < end}
        self._size = min(self._size, end)
        if self._passed >= end:
            self._passed, self._suspect, self._losses, self._trials = end, None, 0, 0

    def _unsettled(self, messages: Sequence[Publication]) -> Sequence[int]:
        rest = range(self._passed, len(messages))
        if self._held is None:
            return rest
        return [at for at in rest if at in self._held or at >= self._size]

    async def _publish_together(self, positions: Sequence[int], messages: Sequence[Publication]) -> None:
        """Publish messages, and note which may be at fault if the connection is lost meanwhile."""
        if not positions:
            return
        try:
            await self._publish(positions, messages)
        except MqttOffline as error:
            self._note_loss(error.taken, positions)
            raise

    def _note_loss(self, taken: int | None, positions: Sequence[int]) -> None:
        """Narrow down which messages may be at fault: one that was in flight at each loss.

        :param taken: number of messages in front of those that were in flight; None: unknown.
        """
        in_flight = EVERYTHING
        if taken is not None:
            ends = positions[taken : taken + WINDOW]
            in_flight = range(ends[0], ends[-1] + 1) if ends else range(0)
        before = self._suspects
        common = range(max(in_flight.start, before.start), min(in_flight.stop, before.stop))
        self._losses = self._losses + 1 if common else 1
        self._suspects = common or in_flight
        self._one_by_one = self._losses >= LOSSES
        if self._one_by_one:
            self._losses = 0

    async def _publish(self, positions: Sequence[int], messages: Sequence[Publication]) -> None:
        """Publish some of a batch, and note what the broker refuses."""
        chosen = messages if len(positions) == len(messages) else [messages[at] for at in positions]
        if self._refused:  # at an attempt that was broken off
            self._refused = {at: why for at, why in self._refused.items() if at not in positions}
        try:
            await self._publish_all(chosen)
        except MessagesRefused as error:
            for at, refusal in error.refused.items():
                self._refused[positions[at]] = refusal

    async def _judge(self, messages: Sequence[Publication], positions: Sequence[int]) -> None:
        """Decide what becomes of messages that the broker refused.

        :raises MessagesHeld: some wait.
        :raises MqttOffline: the connection was lost.
        """
        if not self._refused:
            self._refusals.all_taken(messages)
            return
        refused = self._refused
        taken = {at: messages[at] for at in positions if at not in refused and at not in self._guilty}
        why = {at: (messages[at], each) for at, each in refused.items()}
        again = await self._taken_again(self._refusals.witnesses(taken.values(), why.values()))
        self._refused = {}
        held = self._refusals.note(taken, why, again)
        for at, refusal in refused.items():
            if at not in held:
                self._guilty[at] = f"the broker refuses it: {refusal.words}"
        if held:
            self._held, self._size = held, len(messages)
            self._one_by_one, self._passed = False, 0
            first = min(held)
            raise MessagesHeld(f"{messages[first].topic}: the broker refuses it: {refused[first].words}")

    async def _taken_again(self, witnesses: Sequence[Publication]) -> Sequence[Publication]:
        """Publish messages that were taken before; return those that are taken again."""
        if not witnesses:
            return ()
        try:
            await self._publish_all(witnesses)
        except MessagesRefused as error:
            return [each for at, each in enumerate(witnesses) if at not in error.refused]
        return witnesses

    async def _publish_one_by_one(self, messages: Sequence[Publication], unsettled: set[int]) -> None:
        first = self._suspects.start
        await self._publish_together([at for at in sorted(unsettled) if at < first], messages)
        self._passed = max(self._passed, first)
        while self._passed < min(self._suspects.stop, len(messages)):
            message = messages[self._passed]
            if self._passed not in unsettled:
                self._passed += 1
                continue
            self._tried = message
            if self._suspect is not None:
                await self._try_another(messages)
            else:
                try:
                    await self._publish([self._passed], messages)
                except MqttOffline as error:
                    self._losses += 1
                    if self._losses >= LOSSES_ALONE:
                        self._suspect = message
                        self._why = "does not send it back" if isinstance(error, NotSentBack) else CLOSES
                    raise
            self._losses = 0
            self._passed += 1
        self._one_by_one, self._suspects = False, EVERYTHING

    async def _try_another(self, messages: Sequence[Publication]) -> None:
        """Publish another message instead of the suspect, which is skipped if the broker takes that
        one."""
        others = [each for each in messages[self._passed + 1 :] if each != self._suspect] or [self._spare()]
        self._suspect, self._losses = None, 0
        self._trials += 1
        # In turn, because the next one may be at fault as well.
        # One that is refused does not close the connection, either.
        with suppress(MessagesRefused):
            await self._publish_all([others[(self._trials - 1) % len(others)]])
        self._guilty[self._passed] = f"the broker {self._why}"
        self._trials = 0
        self._found()
