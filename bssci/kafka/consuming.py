"""A consumer of a group: batches of records, each committed only after it was taken.

::

    consume --batch--> taken? --yes--> commit, next
                         |
                         +--no: offered again after 1, 2, 4 ... 30 s; meanwhile this consumer stays in its
                         group

A partition that goes to another instance while its records are under way is not committed here: that instance
reads them again, and recognises them by their ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.kafka.reporting import ClientLog, LastError, in_words
from bssci.model.weight import text_weight
from bssci.system.clock import Reactor

BATCH = 500
"""records that are offered at once, at most"""
BATCH_BYTES = 256 * 1024
"""bytes of them, unless one record is larger"""
POLL = 0.2
"""s that the thread waits for records"""
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""s until what was not taken is offered again, doubled from the first to the longest"""
LOOK_INTERVAL = 5.0
"""s between checks whether a problem is over"""
SESSION_TIME = 10.0
"""s after which the group gives the partitions of an instance that is silent to others"""

PLACE_TIME = 30.0
"""s without a place in the group after which this is reported"""
NO_PLACE = (
    "the brokers give this instance no place in the consumer group: they have no coordinator for it (see"
    " __consumer_offsets), or another member of the group does not answer"
)
LOST = "the brokers did not answer in time, and the consumer group counts this instance as gone"
BLOCKS = "_BAD_COMPRESSION"
"""name of the error of a batch that librdkafka cannot read, and fetches again and again"""


class ConsumerRecord(NamedTuple):
    """A record of the topic, without its headers: reading those fails if a name is not UTF-8."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: float | None
    """Unix seconds; by the producer's or the broker's clock, as the topic is configured"""


class KafkaConsumer:
    """Reads a topic as a member of a group. Its methods and callbacks belong to the reactor's thread.

    :param take: given a batch, returns a Deferred that fires when the batch is on disk.
    :param make: makes confluent-kafka's consumer from a configuration.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        connection: Mapping[str, Any],
        topic: str,
        group: str,
        take: Callable[[Sequence[ConsumerRecord]], Deferred[None]],
        make: Callable[[dict[str, Any]], Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._topic = topic
        self._take = take
        self._make = make
        self._now = monotonic
        self._configuration = {
            **connection,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": int(SESSION_TIME * 1000),
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.message.max.bytes": 2_000_000,
            "queued.max.messages.kbytes": 16384,
        }
        self._assigned: set[int] = set()
        self._early: list[Any] = []
        self._uncommitted: dict[int, int] = {}
        """by partition, the offset behind what is taken and not committed yet; belongs to the thread"""
        self._next_commit = 0.0
        self._blocked: dict[int, str] = {}
        """by partition, why it gives no record, although the broker answers; belongs to the thread"""
        self._standing = ""
        """the first of these reasons, or the lack of a place in the group; empty: there is none"""
        self._placeless_since: float | None = None
        """time since which the group gives no place; None: it has given one, with partitions or without"""
        self._no_place = ""
        self._next_look = 0.0
        self._last_error = LastError()
        self._stopping = False
        self._started = False
        self._ended: Deferred[None] = Deferred()
        self._thread = Thread(target=self._run, name="kafka consumer", daemon=True)
        self.trouble = ""
        """why no records come; empty: nothing is wrong"""

    @property
    def partitions(self) -> list[int]:
        """Numbers of the partitions that the group gave this instance."""
        return sorted(self._assigned)

    def start(self) -> None:
        """Join the group."""
        self._started = True
        self._thread.start()

    def stop(self, seconds: float) -> Deferred[None]:
        """Commit what was taken and leave the group, within ``seconds``."""
        if not self._started or self._stopping:
            return succeed(None)
        self._stopping = True
        late = self._reactor.callLater(seconds, self._end)
        return self._ended.addCallback(lambda _: late.cancel() if late.active() else None)

    def _end(self) -> None:
        if not self._ended.called:
            self._ended.callback(None)

    def _offer(self, records: Sequence[ConsumerRecord], answers: SimpleQueue[bool]) -> None:
        def failed(failure: Failure) -> None:
            self.trouble = failure.getErrorMessage()
            answers.put(False)

        def taken(_: object) -> None:
            self.trouble = self._standing
            answers.put(True)

        maybeDeferred(self._take, records).addCallbacks(taken, failed)

    # In the thread

    def _run(self) -> None:
        delay = 0.0
        while not self._stopping:
            consumer = None
            try:
                consumer = self._open()
                while not self._stopping:
                    self._step(consumer)
                    delay = 0.0
                self._commit(consumer)
            except Exception as error:  # librdkafka's; a new consumer begins at what was committed
                self._say(" ".join(str(error).split())[:300], "Kafka consumer restarts {reason}")
            finally:
                self._close(consumer)
            delay = min(max(FIRST_DELAY, 2 * delay), LONGEST_DELAY)
            self._rest(delay)
        self._reactor.callFromThread(self._end)

    def _say(self, trouble: str, text: str = "Kafka consumer receives nothing {reason}") -> None:
        """Set what is wrong now; it is logged once while it stays the same."""
        if trouble and trouble != self.trouble:
            self.log.warn(text, reason=trouble)
        self.trouble = trouble

    def _open(self) -> Any:
        self._last_error = LastError()
        handlers = {"error_cb": self._note, "logger": ClientLog(self._now).as_logger()}
        consumer = self._make({**self._configuration, **handlers})
        self._placeless_since = self._now()
        consumer.subscribe([self._topic], on_assign=self._gained, on_revoke=self._gone, on_lost=self._lost)
        return consumer

    def _step(self, consumer: Any) -> None:
        early, self._early = self._early, []
        messages = early or consumer.consume(BATCH, POLL)
        if self.trouble and self._now() >= self._next_look:
            self._look(consumer)
        since = self._placeless_since
        if since is not None and not self._no_place and self._now() - since > PLACE_TIME:
            self._note_place(NO_PLACE)
            self._say(self.trouble or self._standing)
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(_record(message))
                self._note_block(message.partition(), "")
            elif error.name() == BLOCKS:
                place = f"{self._topic}, partition {message.partition()}, offset {message.offset()}"
                self._note_block(message.partition(), in_words(error, place))
                self._say(self._standing)
            elif error.name() != "_PARTITION_EOF":
                self._say(in_words(error, self._topic))
        for batch in _batches(records):
            if self._is_taken(consumer, batch):
                for record in batch:
                    if record.partition in self._assigned:
                        self._uncommitted[record.partition] = record.offset + 1
                self._commit(consumer)
        if self._uncommitted and self._now() >= self._next_commit:
            self._commit(consumer)

    def _note_block(self, partition: int, reason: str) -> None:
        """Keep in mind why a partition gives nothing, or that it gives something again.

        :param reason: empty: it gives records.
        """
        if reason:
            self._blocked[partition] = reason
        elif partition in self._blocked:
            del self._blocked[partition]
        self._stand()

    def _note_place(self, lack: str) -> None:
        """Keep in mind why the group gives no place, or that it has given one.

        :param lack: empty: it has.
        """
        self._no_place = lack
        self._stand()

    def _stand(self) -> None:
        self._standing = next(iter(self._blocked.values()), self._no_place)

    def _look(self, consumer: Any) -> None:
        """Ask whether the problem is over: librdkafka only reports when one begins."""
        self._next_look = self._now() + LOOK_INTERVAL
        try:
            topic = consumer.list_topics(self._topic, timeout=1.0).topics.get(self._topic)
        except Exception:  # librdkafka's: nobody answers, so it is not over; it goes on connecting by itself
            return
        error = topic.error if topic is not None else None
        self._last_error = LastError()
        self._say(in_words(error, self._topic) if error is not None else self._standing)

    def _is_taken(self, consumer: Any, records: Sequence[ConsumerRecord]) -> bool:
        """Offer records until they are taken. The consumer stays in its group; nothing new is fetched."""
        delay = 0.0
        while not self._stopping:
            # Of its own: a batch that was given up by an error may be answered during the next one.
            answers: SimpleQueue[bool] = SimpleQueue()
            self._reactor.callFromThread(self._offer, records, answers)
            if self._answer(consumer, answers):
                return True
            delay = min(max(FIRST_DELAY, 2 * delay), LONGEST_DELAY)
            self._idle(consumer, delay)
        return False

    def _answer(self, consumer: Any, answers: SimpleQueue[bool]) -> bool:
        while True:
            try:
                return answers.get(timeout=POLL)
            except Empty:
                self._idle(consumer, 0)
                if self._stopping:
                    return self._last_answer(answers)

    def _last_answer(self, answers: SimpleQueue[bool]) -> bool:
        """Wait for what is on its way to the disk, so that it does not come again."""
        try:
            return answers.get(timeout=1.0)
        except Empty:
            return False

    def _idle(self, consumer: Any, seconds: float) -> None:
        """Stay in the group without fetching records."""
        assigned = consumer.assignment()
        if assigned:
            consumer.pause(assigned)
        try:
            end = self._now() + seconds
            while True:
                self._early += consumer.consume(1, 0.05)  # of a partition that was just gained
                if self._stopping or self._now() >= end:
                    return
        finally:
            now = consumer.assignment()
            if now:
                consumer.resume(now)

    def _commit(self, consumer: Any) -> None:
        """Commit what is taken; if that fails, it is tried again later."""
        from confluent_kafka import KafkaException, TopicPartition

        if not self._uncommitted:
            return
        offsets = [TopicPartition(self._topic, *each) for each in self._uncommitted.items()]
        try:
            committed = consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            failure = error.args[0]
        else:
            # Of some partitions it may fail without an exception.
            failure = next((each.error for each in committed if each.error is not None), None)
            for each in committed:
                if each.error is None:
                    self._uncommitted.pop(each.partition, None)
        if failure is not None:
            # Records that come again meanwhile, here or at another instance, are recognised by their ids.
            self.trouble = in_words(failure, self._topic)
            self.log.warn("Kafka offsets not committed {reason}", reason=self.trouble)
            self._next_commit = self._now() + LOOK_INTERVAL

    def _gained(self, consumer: Any, partitions: Sequence[Any]) -> None:
        self._placeless_since = None
        self._note_place("")
        self._assigned |= {each.partition for each in partitions}
        self.log.info("Kafka partitions {partitions}", partitions=sorted(self._assigned))

    def _gone(self, consumer: Any, partitions: Sequence[Any]) -> None:
        for each in partitions:
            self._assigned.discard(each.partition)
            self._uncommitted.pop(each.partition, None)
            self._note_block(each.partition, "")
        self.log.info("Kafka partitions {partitions}", partitions=sorted(self._assigned))

    def _lost(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Note partitions that the group gave to others because it, or we, did not answer."""
        self._gone(consumer, partitions)
        self._placeless_since = self._now()
        self._say(self.trouble or LOST)

    def _note(self, error: Any) -> None:
        self._last_error.take(error)
        self._say(self._last_error.words)

    def _close(self, consumer: Any) -> None:
        if consumer is not None:
            try:
                consumer.close()
            except Exception as error:  # it is abandoned anyway
                self.log.debug("kafka consumer not closed properly {error}", error=str(error))
        self._assigned.clear()
        self._uncommitted.clear()
        self._blocked.clear()
        self._note_place("")
        self._early.clear()

    def _rest(self, seconds: float) -> None:
        end = self._now() + seconds
        while not self._stopping and self._now() < end:
            time.sleep(0.05)


def _batches(records: Iterable[ConsumerRecord]) -> Iterator[list[ConsumerRecord]]:
    batch: list[ConsumerRecord] = []
    size = 0
    for record in records:
        length = len(record.key) + text_weight(record.value)
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch


def _record(message: Any) -> ConsumerRecord:
    kind, stamp = message.timestamp()
    return ConsumerRecord(
        message.partition(),
        message.offset(),
        message.key() or b"",
        message.value() or b"",
        stamp / 1000 if kind else None,
    )
