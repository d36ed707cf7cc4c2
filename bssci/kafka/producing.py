"""A producer that confirms each batch when the brokers have all of its messages.

Idempotent, acks=all: within a batch nothing is duplicated or reordered. A batch that fails ends
librdkafka's producer, with what is queued in it; the next batch makes a new one.

A broker refuses together all messages that it was sent together, even if only one of them is at fault, or
if none is and they are too large together. So they are halved and sent again, until one that is refused was
sent alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from bssci.kafka.reporting import ClientLog, KafkaError, in_words
from bssci.system.clock import Reactor

DELIVERY_TIME = 20.0
"""s that a message may take to be confirmed"""
SILENCE = 3.0
"""s without a confirmation after which this is reported"""
POLL = 0.05
"""s that the thread waits for confirmations at once"""
POISON = frozenset(("MSG_SIZE_TOO_LARGE", "INVALID_MSG", "INVALID_RECORD", "_INVALID_ARG"))
"""names of errors that concern one message and would come again each time"""

SHARED = POISON | {"_INVALID_DIFFERENT_RECORD"}
"""names of errors with which a broker answers all messages that it was sent together"""

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
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.timeout.ms": int(DELIVERY_TIME * 1000),
            "message.max.bytes": 2_000_000,
            "queue.buffering.max.kbytes": 65536,
        }
        self._producer: Any = None
        self._last_error = ""
        self._at_once = sys.maxsize
        """messages that are sent together, at most: more were too large for the broker"""
        self._fitting = 0
        """largest number of messages that was taken after more had been too large"""
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
            except Exception as error:  # of librdkafka, or of the message
                known: Any = error.args[0] if error.args else None
                self.trouble = in_words(known) if hasattr(known, "name") else str(error)
                result = _Failure(KafkaError(self.trouble))
                self._give_up()
            self._reactor.callFromThread(done.callback, result)
        self._give_up()
        self._reactor.callFromThread(self._end)

    def _send(self, messages: Sequence[ProducerMessage]) -> list[RefusedMessage]:
        refused: list[RefusedMessage] = []
        self._fitting = 0
        size = min(self._at_once, max(1, len(messages)))
        for begin in range(0, len(messages), size):
            refused += self._send_together(messages, range(begin, min(begin + size, len(messages))))
        if self._fitting and not refused:
            # Nothing was wrong with any of them, so they were too large together.
            self._at_once = self._fitting
        return sorted(refused, key=lambda each: each.place)

    def _send_together(
        self, messages: Sequence[ProducerMessage], places: Sequence[int], *, again: bool = False
    ) -> list[RefusedMessage]:
        """Send some messages of a batch, and those again that the broker may only refuse together."""
        group = self._send_once(messages, places)
        if not group.doubtful:
            if again:
                self._fitting = max(self._fitting, len(places))
            return group.refused
        doubtful = sorted(group.doubtful)
        if len(places) == 1:
            return [*group.refused, *(RefusedMessage(each, group.doubtful[each]) for each in doubtful)]
        middle = (len(doubtful) + 1) // 2
        refused = group.refused
        for half in (doubtful[:middle], doubtful[middle:]):
            if half:
                refused += self._send_together(messages, half, again=True)
        return refused

    def _send_once(self, messages: Sequence[ProducerMessage], places: Sequence[int]) -> _Batch:
        batch = _Batch(len(places))
        for place in places:
            self._produce(messages[place], place, batch)
        begun = self._now()
        while batch.open:
            self._open().poll(POLL)
            if batch.failure:
                raise KafkaError(batch.failure)
            waited = self._now() - begun
            if waited > DELIVERY_TIME + 5.0:
                raise KafkaError(self._last_error or "the broker did not confirm in time")
            if waited > SILENCE:
                self.trouble = self._last_error or f"the broker has not confirmed for {waited:.0f} s"
        return batch

    def _open(self) -> Any:
        if self._producer is None:
            self._last_error = ""
            handlers = {"error_cb": self._note, "logger": ClientLog(self._now).as_logger()}
            self._producer = self._make({**self._configuration, **handlers})
        return self._producer

    def _produce(self, message: ProducerMessage, index: int, batch: _Batch) -> None:
        while True:
            try:
                self._open().produce(
                    message.topic,
                    message.value,
                    message.key,
                    headers=list(message.headers),
                    on_delivery=lambda error, _: self._confirmed(error, index, message.topic, batch),
                )
                return
            except BufferError:  # its queue is full: what is confirmed makes room
                self._producer.poll(POLL)
                if batch.failure:
                    return
            except Exception as error:
                known: Any = error.args[0] if error.args else None
                if getattr(known, "name", str)() not in POISON:
                    raise
                batch.open -= 1
                batch.refused.append(RefusedMessage(index, in_words(known, message.topic)))
                return

    def _confirmed(self, error: Any, index: int, topic: str, batch: _Batch) -> None:
        batch.open -= 1
        if error is None:
            return
        if error.name() in SHARED:
            batch.doubtful[index] = in_words(error, topic)
        else:
            timed_out = error.name() == "_MSG_TIMED_OUT" and self._last_error
            batch.failure = self._last_error if timed_out else in_words(error, topic)

    def _note(self, error: Any) -> None:
        self._last_error = self.trouble = in_words(error)

    def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.poll(0)


class _Batch:
    """A batch under way.

    :param open: messages that are neither confirmed nor refused.
    :ivar refused: messages that the client refused.
    :ivar doubtful: why the broker refused messages, perhaps only together with others, by their places.
    """

    def __init__(self, open: int) -> None:
        self.open = open
        self.failure = ""
        self.refused: list[RefusedMessage] = []
        self.doubtful: dict[int, str] = {}
