"""Publications of one connection: those that wait for room in the window, and those in flight.

enqueue() --> queue --fill(), room in the window--> in flight --PUBACK, PUBCOMP--> complete --> Deferred
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from twisted.internet.defer import Deferred

from bssci.mqtt import version5
from bssci.mqtt.batches import PublishBatch
from bssci.mqtt.engine import Engine
from bssci.mqtt.values import MqttOffline, Publication, PublishRefusal

WINDOW = 100
"""messages that may wait for their acknowledgement at the broker"""
WINDOW_QOS_2 = 20
"""the same for QoS 2: mosquitto holds 20 open by default, and those beyond are overtaken by later ones"""
PACKET_OVERHEAD = 9
"""bytes of a PUBLISH beside topic, properties and payload: header, lengths, packet id"""


class PublishWindow:
    """The publications of one connection.

    :param version_5: the connection speaks MQTT 5.
    :ivar settled: to be called with the packet id of a publication, and the body of the broker's answer.
    :ivar qos: the broker's, where that is lower than ours.
    :ivar sent_last: the publication that left last.
    :ivar progress_at: s on the connection's clock, when the broker last had nothing to answer, or answered
        the publication that waited longest.
    """

    def __init__(self, version_5: bool, qos: int) -> None:
        self._is_5 = version_5
        self.settled = self._answered if version_5 else self._acknowledged
        self._size = WINDOW_QOS_2 if qos == 2 else WINDOW
        self._limits = version5.BrokerLimits()
        self._queue: deque[PublishBatch] = deque()
        self._in_flight: dict[int, PublishBatch] = {}
        self._positions: dict[int, int] = {}
        """positions in their batches of messages under way, by packet id"""
        self._complete: list[PublishBatch] = []
        self.qos = qos
        self.sent_last: Publication | None = None
        self.progress_at = 0.0

    @property
    def in_flight(self) -> int:
        """Publications that wait for the broker's answer."""
        return len(self._in_flight)

    @property
    def oldest(self) -> int:
        """Packet id of the publication that waits longest for the broker's answer; 0: none waits."""
        return next(iter(self._in_flight), 0)

    @property
    def has_queue(self) -> bool:
        """Return whether something waits for room."""
        return bool(self._queue)

    @property
    def is_empty(self) -> bool:
        """Return whether everything is answered."""
        return not self._queue and not self._in_flight

    def accept(self, limits: version5.BrokerLimits) -> None:
        """Keep to what the broker allows (MQTT 5)."""
        self._limits = limits
        self._size = max(1, min(self._size, limits.window))
        self.qos = min(self.qos, limits.qos)

    def note_progress(self, at: float) -> None:
        """Note that the broker answered the oldest publication, at this time of the connection's clock."""
        self.progress_at = at

    def enqueue(self, messages: Sequence[Publication]) -> Deferred[None]:
        """Queue messages; the Deferred fires when the broker has acknowledged each.

        Fails with :class:`bssci.mqtt.values.MessagesRefused` if the broker does not take some of them.
        """
        batch = PublishBatch(messages)
        self._queue.append(batch)
        return batch.done

    def fill(self, engine: Engine, now: float) -> None:
        """Have an engine publish as many messages as there is room for."""
        room = self._size - len(self._in_flight)
        if room == self._size:
            self.progress_at = now
        while room > 0 and self._queue:
            batch = self._queue[0]
            messages = batch.messages[batch.next : batch.next + room]
            try:
                self._send(engine, batch, messages)
            except ValueError as error:
                self._reject(batch, error)
                continue
            batch.next += len(messages)
            # Not all of them: those that are too large for the broker are refused here, and no answer makes
            # room later.
            room = self._size - len(self._in_flight)
            if batch.next == len(batch.messages):
                self._queue.popleft()
        if not self.qos:
            for packet_id in list(self._in_flight):
                self._acknowledge(packet_id)
            self._positions.clear()

    def _send(self, engine: Engine, batch: PublishBatch, messages: Sequence[Publication]) -> None:
        """Send messages of a batch.

        :raises ValueError: for a topic that MQTT does not allow.
        """
        publish, qos, in_flight = engine.publish, self.qos, self._in_flight
        if self._is_5:
            self._send_with_properties(engine, batch, messages)
        else:
            for position, (topic, payload, retain, _) in enumerate(messages, batch.next):
                info = publish(topic, payload, qos, retain)
                if info.rc:
                    raise RuntimeError(f"the MQTT engine refused a message: {info.rc!r}")
                in_flight[info.mid] = batch
                self._positions[info.mid] = position
        self.sent_last = messages[-1]

    def _send_with_properties(
        self, engine: Engine, batch: PublishBatch, messages: Sequence[Publication]
    ) -> None:
        """Send messages of a batch by MQTT 5, except those that are larger than the broker allows.

        :raises ValueError: for a topic that MQTT does not allow.
        """
        limit, may_retain = self._limits.packet, self._limits.retain
        for position, (topic, payload, retain, about) in enumerate(messages, batch.next):
            properties = version5.pack(about)
            size = len(topic.encode()) + len(payload) + len(properties.pack()) + PACKET_OVERHEAD
            if limit and size > limit:
                said = f"{size} bytes, the broker takes {limit}"
                refusal = PublishRefusal(version5.PACKET_TOO_LARGE, f"packet too large: {said}")
                self._refuse(batch, position, refusal)
                self._count(batch)
                continue
            info = engine.publish(topic, payload, self.qos, retain and may_retain, properties)
            if info.rc:
                raise RuntimeError(f"the MQTT engine refused a message: {info.rc!r}")
            self._in_flight[info.mid] = batch
            self._positions[info.mid] = position

    def _acknowledged(self, packet_id: int, body: bytes | bytearray) -> None:
        self._positions.pop(packet_id, None)
        self._acknowledge(packet_id)

    def _answered(self, packet_id: int, body: bytes | bytearray) -> None:
        """Take the broker's answer to a message that was published (MQTT 5)."""
        position = self._positions.pop(packet_id, -1)
        if len(body) > 2 and body[2] >= version5.FAILURE:
            batch = self._in_flight.pop(packet_id, None)
            if batch is not None:
                self._refuse(batch, position, PublishRefusal(*version5.answer_words(bytes(body))))
                self._count(batch)
        else:
            self._acknowledge(packet_id)

    def fire_complete(self) -> None:
        """Fire the Deferreds of batches that are answered completely."""
        complete, self._complete = self._complete, []
        for batch in complete:
            batch.complete()

    def fail(self, reason: str) -> None:
        """Fail everything that is not answered, with :class:`bssci.mqtt.values.MqttOffline`: the connection
        is gone.
        """
        taken = {batch: batch.next for batch in [*self._in_flight.values(), *self._queue]}
        for packet_id, batch in self._in_flight.items():
            taken[batch] = min(taken[batch], self._positions.get(packet_id, 0))
        self._in_flight.clear()
        self._positions.clear()
        self._queue.clear()
        self.fire_complete()
        for batch, number in taken.items():
            # With QoS 0 nothing says that a message arrived.
            batch.done.errback(MqttOffline(reason, min([number, *batch.refused]) if self.qos else None))

    def _refuse(self, batch: PublishBatch, position: int, refusal: PublishRefusal) -> None:
        batch.refused[position] = refusal

    def _reject(self, batch: PublishBatch, error: ValueError) -> None:
        """Give up ``batch``, the first of the queue; what of it was sent stays sent."""
        self._queue.popleft()
        self._in_flight = {mid: other for mid, other in self._in_flight.items() if other is not batch}
        batch.done.errback(error)

    def _acknowledge(self, packet_id: int) -> None:
        batch = self._in_flight.pop(packet_id, None)
        if batch is not None:
            self._count(batch)

    def _count(self, batch: PublishBatch) -> None:
        """Note that one more message of a batch has its answer."""
        batch.unacknowledged -= 1
        if not batch.unacknowledged:
            self._complete.append(batch)
