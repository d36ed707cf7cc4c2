"""A producer that confirms each batch when the brokers have all of its messages.

Idempotent, acks=all and without gaps: within a partition nothing is doubled, and nothing is taken before a
message that stands ahead of it. The first refusal of a broker ends librdkafka's producer; the next one sends
what is left, so that the order in a partition is kept. What the brokers have of a batch that failed is not
sent again when the batch comes again.

A broker refuses together all messages that it was sent together, even if only one of them is at fault, or
if none is and they are too large together. So less and less is sent at once, until one that is refused was
sent alone; later it is more again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from bssci.kafka.batch_size import BatchSize
from bssci.kafka.reporting import ClientLog, KafkaError, LastError, in_words
from bssci.system.clock import Reactor

ANSWER_TIME = 20.0
"""s without a confirmation after which a batch is given up"""
SILENCE = 3.0
"""s without a confirmation after which this is reported"""
POLL = 0.05
"""s that the thread waits for confirmations at once"""
TOO_LARGE = "MSG_SIZE_TOO_LARGE"
POISON = frozenset((TOO_LARGE, "INVALID_MSG", "INVALID_RECORD", "_INVALID_ARG"))
"""names of errors that concern one message and would come again each time"""
OTHER_AT_FAULT = "_INVALID_DIFFERENT_RECORD"
"""name of the error of messages that came with one at fault, where the broker names that one"""
SHARED = POISON | {OTHER_AT_FAULT}
"""names of errors with which a broker answers all messages that it was sent together"""
ENDED = frozenset(("_FATAL", "_GAPLESS_GUARANTEE"))
"""names of errors of a producer that has ended at a refusal"""
CONSEQUENCES = ENDED | {"_PURGE_QUEUE", "_PURGE_INFLIGHT", "OUT_OF_ORDER_SEQUENCE_NUMBER"}
"""names of errors of messages behind one that was refused"""

_Failure: Any = Failure


class ProducerMessage(NamedTuple):
    """A message that is to be produced."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class RefusedMessage(NamedTuple):
    """A message that the brokers will never take, by its place in the batch."""

    place: int
    reason: str


class KafkaProducer:
    """Sends batches, one after the other. Its methods and Deferreds belong to the reactor's thread.

    :param connection: how librdkafka connects.
    :param make: makes confluent-kafka's producer from a configuration.
    """

    def __init__(
        self,
        reactor: Reactor,
        connection: Mapping[str, Any],
        make: Callable[[dict[str, Any]], Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._now = monotonic
        self._make = make
        self._configuration = {
            **connection,
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            # A message that is given up leaves a gap: whole batches are given up here instead.
            "message.timeout.ms": 0,
            # Less than ANSWER_TIME, so that a missing topic is named.
            "topic.metadata.propagation.max.ms": 10_000,
            "message.max.bytes": 2_000_000,
            "queue.buffering.max.kbytes": 65536,
        }
        self._producer: Any = None
        self._last_error = LastError()
        self._size = BatchSize(monotonic)
        self._taken: Counter[tuple[str, bytes, bytes]] = Counter()
        """messages of a batch that failed which the brokers have: topic, key and value"""
        self.trouble = ""
        """why nothing can be sent now; empty: it can, or that is not known yet"""
        self._queue: SimpleQueue[tuple[Deferred[Any], Sequence[ProducerMessage]] | None] = SimpleQueue()
        self._stopping = False
        self._ended: Deferred[None] = Deferred()
        # A daemon: the journal keeps what is not sent, so the thread need not keep the process alive.
        self._thread = Thread(target=self._run, name="kafka producer", daemon=True)
        self._started = False

    def start(self) -> None:
        """Begin; nothing is connected before the first batch."""
        self._started = True
        self._thread.start()

    def send(self, messages: Sequence[ProducerMessage]) -> Deferred[list[RefusedMessage]]:
        """Send messages; fires when the brokers have each, or refuse it for its content.

        :raises KafkaError: in the Deferred; some may be with the brokers nevertheless.
        """
        done: Deferred[list[RefusedMessage]] = Deferred()
        if self._stopping:
            done.errback(KafkaError("the service stops"))
        else:
            self._queue.put((done, messages))
        return done

    def stop(self, seconds: float) -> Deferred[None]:
        """Finish what is under way within ``seconds``; then it is given up."""
        if not self._started or self._stopping:
            return succeed(None)
        self._stopping = True
        self._queue.put(None)
        late = self._reactor.callLater(seconds, self._end)
        return self._ended.addCallback(lambda _: late.cancel() if late.active() else None)

    def _end(self) -> None:
        if not self._ended.called:
            self._ended.callback(None)

    # In the thread

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            done, messages = item
            try:
                result: Any = self._send(messages)
                self.trouble = ""
                self._last_error = LastError()
            except Exception as error:  # of librdkafka, or of the message
                known: Any = error.args[0] if error.args else None
                self.trouble = in_words(known) if hasattr(known, "name") else str(error)
                result = _Failure(KafkaError(self.trouble))
                self._give_up()
            self._reactor.callFromThread(done.callback, result)
        self._give_up()
        self._reactor.callFromThread(self._end)

    def _send(self, messages: Sequence[ProducerMessage]) -> list[RefusedMessage]:
        if self._size.grow():
            self._give_up()
        refused: list[RefusedMessage] = []
        left = self._not_taken_before(messages)
        while left:
            batch = self._send_once(messages, left)
            refused += batch.refused
            left = batch.left
            if batch.doubtful:
                self._give_up()
                never = list(self._at_fault(messages, batch))
                refused += never
                gone = {each.place for each in never}
                left = [place for place in left if place not in gone]
        self._taken.clear()
        return sorted(refused, key=lambda each: each.place)

    def _not_taken_before(self, messages: Sequence[ProducerMessage]) -> list[int]:
        """Return the places of the messages that the brokers do not have from an attempt that failed."""
        if not self._taken:
            return list(range(len(messages)))
        known = self._taken.copy()
        left = []
        for place, message in enumerate(messages):
            if known[message[:3]] > 0:
                known[message[:3]] -= 1
            else:
                left.append(place)
        return left

    def _at_fault(self, messages: Sequence[ProducerMessage], batch: _Batch) -> Iterator[RefusedMessage]:
        """Yield the messages that will be refused each time; if there is none, send less at once."""
        known = False
        is_named = any(name == OTHER_AT_FAULT for name, _ in batch.doubtful.values())
        for place, (name, reason) in batch.doubtful.items():
            alone = len(batch.places) == 1 or _weight(messages[place]) >= self._size.bytes
            if name in POISON and (alone or (is_named and name != TOO_LARGE)):
                known = True
                yield RefusedMessage(place, reason)
        if not known:
            if self._size.bytes == 1:
                raise KafkaError(next(reason for _, reason in batch.doubtful.values()))
            self._size.shrink(sum(_weight(messages[place]) for place in batch.doubtful))

    def _send_once(self, messages: Sequence[ProducerMessage], places: Sequence[int]) -> _Batch:
        """Send messages until all are confirmed or refused, or the broker refuses some."""
        batch = _Batch(places, self._now())
        try:
            for place in places:
                self._produce(messages[place], place, batch)
            # What is on its way after a refusal is awaited: only its answer says whether it was taken.
            while batch.open and not (batch.is_over and self._now() - batch.answered_at > SILENCE):
                self._wait(batch)
            if batch.failure:
                raise KafkaError(batch.failure)
        finally:
            if batch.open or batch.is_over:
                self._taken.update(messages[place][:3] for place in batch.taken)
        return batch

    def _wait(self, batch: _Batch) -> None:
        """Wait for answers.

        :raises KafkaError: there was none for too long.
        """
        try:
            self._open().poll(POLL)
        except Exception as error:
            if not self._has_ended(batch, error):
                raise
        if batch.is_over:
            self._open().purge(in_flight=False, blocking=False)
            return
        waited = self._now() - batch.answered_at
        if waited > ANSWER_TIME:
            raise KafkaError(self._last_error.words or "the broker did not confirm in time")
        if waited > SILENCE:
            self.trouble = self._last_error.words or f"the broker has not confirmed for {waited:.0f} s"

    def _open(self) -> Any:
        if self._producer is None:
            self._last_error = LastError()
            handlers = {"error_cb": self._note, "logger": ClientLog(self._now).as_logger()}
            size = {"batch.size": self._size.bytes}
            self._producer = self._make({**self._configuration, **size, **handlers})
        return self._producer

    def _produce(self, message: ProducerMessage, place: int, batch: _Batch) -> None:
        while not batch.is_over:
            try:
                self._open().produce(
                    message.topic,
                    message.value,
                    message.key,
                    headers=list(message.headers),
                    on_delivery=lambda error, _: self._confirmed(error, place, message.topic, batch),
                )
                batch.open += 1
                return
            except BufferError:  # its queue is full: what is confirmed makes room
                self._wait(batch)
            except Exception as error:
                if self._has_ended(batch, error):
                    return
                known: Any = error.args[0] if error.args else None
                if getattr(known, "name", str)() not in POISON:
                    raise
                batch.refused.append(RefusedMessage(place, in_words(known, message.topic)))
                return

    def _has_ended(self, batch: _Batch, error: Exception) -> bool:
        """Return whether an exception of the client only says that it has ended, at a refusal.

        It tells of the refusal itself with the next poll.
        """
        known: Any = error.args[0] if error.args else None
        if getattr(known, "name", str)() not in ENDED:
            return False
        batch.ended, batch.answered_at = in_words(known), self._now()
        return True

    def _confirmed(self, error: Any, place: int, topic: str, batch: _Batch) -> None:
        batch.open -= 1
        batch.answered_at = self._now()
        if error is None:
            batch.taken.add(place)
        elif error.name() in SHARED:
            batch.doubtful[place] = (error.name(), in_words(error, topic))
        elif error.name() not in CONSEQUENCES:
            batch.others.append(in_words(error, topic))

    def _note(self, error: Any) -> None:
        if error.name() not in ENDED:
            self._last_error.take(error)
            self.trouble = self._last_error.words

    def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.poll(0)


class _Batch:
    """A batch under way.

    :param places: places of its messages, in their order.
    :ivar answered_at: monotonic s of the last answer, or of the beginning.
    :ivar open: messages that were handed to the client, and are neither confirmed nor refused.
    :ivar taken: places of messages that the brokers have.
    :ivar refused: messages that the client refused.
    :ivar doubtful: name and words of the broker's refusals, perhaps only of messages that came together.
    :ivar others: words of the broker's other refusals.
    :ivar ended: why the client takes no more messages; empty: it does.
    """

    def __init__(self, places: Sequence[int], now: float) -> None:
        self.places = places
        self.answered_at = now
        self.open = 0
        self.taken: set[int] = set()
        self.refused: list[RefusedMessage] = []
        self.doubtful: dict[int, tuple[str, str]] = {}
        self.others: list[str] = []
        self.ended = ""

    @property
    def is_over(self) -> bool:
        """True once something was refused: nothing more is to be sent."""
        return bool(self.doubtful or self.others or self.ended)

    @property
    def failure(self) -> str:
        """Why the batch must be repeated as it is; empty: it need not be."""
        if self.doubtful:
            return ""  # an error of others may follow from that, or comes again
        return self.others[0] if self.others else self.ended

    @property
    def left(self) -> list[int]:
        """Places of the messages that nobody has taken or refused for good, in their order."""
        gone = self.taken | {each.place for each in self.refused}
        return [place for place in self.places if place not in gone]


def _weight(message: ProducerMessage) -> int:
    """Return the bytes of a message, at least; a broker counts some more for each."""
    return (
        len(message.key) + len(message.value) + sum(len(name) + len(value) for name, value in message.headers)
    )
