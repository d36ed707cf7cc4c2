"""Stand-ins for confluent-kafka's producer, and a reactor that only runs what threads hand to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

PATIENCE = 10.0
"""s of real time that another thread may take"""


class HandedOver(Clock):
    """Runs in this thread what other threads hand over, while something is awaited."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802
        self._calls.put(lambda: callable(*args))

    def turn(self) -> None:
        """Run the next call, waiting for it."""
        self._calls.get(timeout=PATIENCE)()

    def result(self, deferred: Deferred[Any]) -> Any:
        """Run calls until a Deferred has fired; a failure is returned."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        while not found:
            self.turn()
        return found[0]

    def failure(self, deferred: Deferred[Any]) -> str:
        """Return the text of what a Deferred fails with."""
        found = self.result(deferred)
        assert isinstance(found, Failure), found
        return str(found.getErrorMessage())


class ClientError:
    """An error as librdkafka tells it."""

    def __init__(self, name: str, text: str = "as the library says it") -> None:
        self._name = name
        self._text = text

    def name(self) -> str:
        return self._name

    def str(self) -> str:
        return self._text


class ClientTrouble(Exception):
    """An exception of confluent-kafka, with an error in it."""


@dataclass
class FakeBroker:
    """A broker with one partition, at which any number of producers may be."""

    errors: dict[bytes, str] = field(default_factory=dict)
    """names of the errors with which sets are answered that hold a message with this key"""
    limit: int = 1_000_000
    """bytes of a set, at most"""
    at_fault: bytes | None = None
    """key of a message that the broker never takes, which it names"""
    silence: Callable[[float], None] | None = None
    """called in place of an answer, with the s for which a producer waits"""
    taken: list[str] = field(default_factory=list)
    """keys of the messages that it has"""


class FakeProducer:
    """Sends at each poll what was produced before, in sets of ``batch.size`` bytes.

    A set of which a message is refused is refused whole, and ends the producer.

    :ivar at_once: exceptions for messages of a key.
    :ivar sets: number of messages of each set that was sent.
    """

    def __init__(self, configuration: dict[str, Any], broker: FakeBroker | None = None) -> None:
        self.configuration = configuration
        self.broker = broker or FakeBroker()
        self.at_once: dict[bytes, Exception] = {}
        self.room = 1000
        self.sets: list[int] = []
        self.purged = False
        self._ended = False
        self._reports: list[Callable[[], None]] = []
        """of a set that was refused, which come after the exception"""
        self._waiting: list[tuple[bytes, int, Callable[..., None]]] = []

    def produce(self, topic: str, value: bytes, key: bytes, headers: Any, on_delivery: Any) -> None:
        if self._ended:
            raise ClientTrouble(ClientError("_FATAL"))
        if key in self.at_once:
            raise self.at_once[key]
        if len(self._waiting) >= self.room:
            raise BufferError
        size = len(key) + len(value) + sum(len(name) + len(text) for name, text in headers)
        self._waiting.append((key, size, on_delivery))

    def poll(self, seconds: float) -> None:
        if self.broker.silence is not None and self._waiting:
            self.broker.silence(seconds)
            return
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        while self._waiting and not self._ended:
            self._answer(self._next_set())
            if self._ended:
                raise ClientTrouble(ClientError("_GAPLESS_GUARANTEE"))

    def _next_set(self) -> list[tuple[bytes, int, Callable[..., None]]]:
        found = [self._waiting.pop(0)]
        while self._waiting:
            if sum(size for _, size, _ in [*found, self._waiting[0]]) > self.configuration["batch.size"]:
                break
            found.append(self._waiting.pop(0))
        return found

    def _answer(self, messages: list[tuple[bytes, int, Callable[..., None]]]) -> None:
        self.sets.append(len(messages))
        broker, keys = self.broker, [key for key, _, _ in messages]
        error = next((broker.errors[key] for key in keys if key in broker.errors), None)
        if sum(size for _, size, _ in messages) > broker.limit:
            error = "MSG_SIZE_TOO_LARGE"
        if broker.at_fault in keys:
            error = "_INVALID_DIFFERENT_RECORD"
        self._ended = error is not None and self.configuration["enable.gapless.guarantee"]
        for key, _, on_delivery in messages:
            if error is None:
                broker.taken.append(key.decode())
                on_delivery(None, None)
            else:
                name = "INVALID_RECORD" if key == broker.at_fault else error
                self._reports.append(partial(on_delivery, ClientError(name), None))

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        waiting, self._waiting = self._waiting, []
        self.purged = True
        for _, _, on_delivery in waiting:
            on_delivery(ClientError("_PURGE_QUEUE"), None)


class FakeMessage:
    """A message of a topic as a consumer hands it out."""

    def __init__(self, partition: int, offset: int, value: bytes = b"{}", error: str = "") -> None:
        self._partition, self._offset, self._value = partition, offset, value
        self._error = ClientError(error) if error else None

    def error(self) -> Any:
        return self._error

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes:
        return self._value

    def headers(self) -> Sequence[tuple[str, bytes]] | None:
        # As confluent-kafka does for a name that is not UTF-8.
        return [(b"\xff".decode(), b"7")]

    def timestamp(self) -> tuple[int, int]:
        return (1, 5000)
