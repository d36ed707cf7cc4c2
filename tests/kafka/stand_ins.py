"""Stand-ins for confluent-kafka's producer, and a reactor that only runs what threads hand to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class FakeProducer:
    """Confirms at each poll what was produced before.

    :ivar errors: for messages of a key: the name of the error that they are answered with.
    :ivar most: messages that are confirmed together, at most; more of them are too large.
    :ivar at_fault: key of a message that the broker never takes, nor others that come together with it.
    :ivar together: how many were answered together, each time.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.errors: dict[bytes, str] = {}
        self.at_once: dict[bytes, Exception] = {}
        self.room = 1000
        self.most = 1000
        self.at_fault: bytes | None = None
        self.together: list[int] = []
        self.purged = False
        self._waiting: list[tuple[bytes, Callable[..., None]]] = []

    def produce(self, topic: str, value: bytes, key: bytes, headers: Any, on_delivery: Any) -> None:
        if key in self.at_once:
            raise self.at_once[key]
        if len(self._waiting) >= self.room:
            raise BufferError
        self.sent.append((topic, key, value))
        self._waiting.append((key, on_delivery))

    def poll(self, seconds: float) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.together.append(len(waiting))
        for key, on_delivery in waiting:
            error = "MSG_SIZE_TOO_LARGE" if len(waiting) > self.most else self.errors.get(key)
            if self.at_fault in [each for each, _ in waiting]:
                error = "INVALID_RECORD" if key == self.at_fault else "_INVALID_DIFFERENT_RECORD"
            on_delivery(None if error is None else ClientError(error), None)

    def purge(self) -> None:
        self.purged = True


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
        return [("id", b"7")]

    def timestamp(self) -> tuple[int, int]:
        return (1, 5000)
