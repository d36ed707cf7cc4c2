"""bssci.stream.writer: order, failures, and acknowledgements only for what is written."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from unittest.mock import patch

import pytest

from bssci.stream import writer
from bssci.stream.messages import StreamMessage
from bssci.stream.outputs import OutputError, RefusedMessageError
from bssci.stream.writer import Arrival, OutputWriter, delays


class Scripted:
    """An output that fails as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.topics: list[str] = []

    def open(self) -> None:
        """It is open."""

    def write(self, batch: Sequence[StreamMessage]) -> None:
        if self.failures:
            self.failures -= 1
            raise OutputError("not now")
        self.topics += [message.topic for message in batch]

    def close(self) -> None:
        """It has nothing open."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(writer, "LONGEST_DELAY", 0.001)


def feed(output: Scripted, attempts: int = 0) -> tuple[OutputWriter, list[int], threading.Event]:
    """Ten messages through a writer; which were acknowledged."""
    acknowledged: list[int] = []
    ended = threading.Event()
    fed = OutputWriter(output, attempts, ended.set)
    fed.start()
    for number in range(10):
        fed.put(
            Arrival(StreamMessage(str(number), b"", 0.0), lambda number=number: acknowledged.append(number))
        )
    fed.stop()
    return fed, acknowledged, ended


def test_messages_are_written_in_order_and_then_acknowledged() -> None:
    output = Scripted(0)
    fed, acknowledged, _ = feed(output)
    assert output.topics == [str(number) for number in range(10)]
    assert acknowledged == list(range(10))
    assert fed.written == 10


def test_what_fails_is_written_again() -> None:
    output = Scripted(3)
    fed, acknowledged, ended = feed(output)
    assert output.topics == [str(number) for number in range(10)]
    assert acknowledged == list(range(10))
    assert not ended.is_set() and fed.error == ""


def test_it_gives_up_after_so_many_attempts_and_acknowledges_nothing() -> None:
    fed, acknowledged, ended = feed(Scripted(1000), attempts=2)
    assert ended.wait(5)
    assert acknowledged == []
    assert fed.error == "not now"


class Picky(Scripted):
    """An output that refuses what holds these messages."""

    def __init__(self, *refused: str) -> None:
        super().__init__(0)
        self.refused = set(refused)

    def write(self, batch: Sequence[StreamMessage]) -> None:
        if self.refused & {message.topic for message in batch}:
            raise RefusedMessageError("a value is out of range")
        super().write(batch)


def test_a_message_that_is_refused_each_time_is_set_aside() -> None:
    said: list[str] = []
    with patch.object(writer.log, "error", lambda text, *values: said.append(text % values)):
        fed, acknowledged, _ = feed(output := Picky("3", "7"))
    assert output.topics == [str(number) for number in range(10) if number not in (3, 7)]
    assert acknowledged == list(range(10)) and fed.written == 8
    assert [line.partition('"topic"')[2][:5] for line in said] == [':"3",', ':"7",'], said
    assert all("out of range" in line for line in said)


def test_an_output_that_refuses_everything_keeps_the_messages_waiting() -> None:
    ended = threading.Event()
    waiting = OutputWriter(Picky(*map(str, range(writer.LONGEST_STREAK + 1))), 3, ended.set)
    waiting.start()
    taken: list[int] = []
    for number in range(writer.LONGEST_STREAK + 1):
        waiting.put(Arrival(StreamMessage(str(number), b"", 0.0), lambda number=number: taken.append(number)))
    assert ended.wait(5)
    waiting.stop()
    assert taken == list(range(writer.LONGEST_STREAK)) and waiting.error == "a value is out of range"


def test_delays_double_and_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FIRST_DELAY", 1.0)
    monkeypatch.setattr(writer, "LONGEST_DELAY", 30.0)
    following = delays()
    for expected in (1, 2, 4, 8, 16, 30, 30):
        assert expected <= following() <= expected * 1.25


class Broken(Scripted):
    """An output with a fault of its own."""

    def write(self, batch: Sequence[StreamMessage]) -> None:
        raise OverflowError("int too large to convert to float")


def test_an_output_with_a_fault_ends_the_writer() -> None:
    fed, acknowledged, ended = feed(Broken(0))
    assert ended.is_set()
    assert not acknowledged
    assert fed.error == "OverflowError: int too large to convert to float"
