"""A source that raises is started again; one that hangs holds up nobody."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.internet.task import Clock

from bssci.model.commands import CommandError
from bssci.sources.running import LONGEST_DELAY, STOP_TIME, RunningSource
from bssci.system.line_limit import LOG_EVERY
from tests.support.center import result_of
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


class Door:
    trouble = ""
    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Source:
    def __init__(self) -> None:
        self.broken = False
        self.started: list[Any] = []
        self.trouble: str | None = None
        self.stopping: Deferred[None] = Deferred()

    def start(self, ingest: Any) -> None:
        if self.broken:
            raise RuntimeError("no cable")
        self.started.append(ingest)

    def stop(self) -> Deferred[None]:
        return self.stopping


def test_it_is_started_again_until_that_works(expected_errors: list[object]) -> None:
    clock, source, door = Clock(), Source(), Door()
    source.broken = True
    running = RunningSource(clock, "sample", source, door)
    running.start()
    assert running.trouble == "not started: RuntimeError: no cable"
    clock.advance(1)
    source.broken = False
    clock.advance(1.9)
    assert not source.started
    clock.advance(0.2)
    assert source.started == [door] and running.trouble == ""
    assert len(expected_errors) == 1
    expected_errors.clear()


def test_a_source_that_leaves_the_process_is_only_not_started(expected_errors: list[object]) -> None:
    class Leaving(Source):
        def start(self, ingest: Any) -> None:
            raise SystemExit(3)

    running = RunningSource(Clock(), "sample", Leaving(), Door())
    running.start()
    assert running.trouble == "not started: SystemExit: 3"
    expected_errors.clear()


def test_a_start_that_holds_up_the_service_is_logged(log_lines: list[str]) -> None:
    clock = Clock()

    class Slow(Source):
        def start(self, ingest: Any) -> None:
            clock.rightNow += 3

    RunningSource(clock, "sample", Slow(), Door()).start()
    assert any("held up the whole service sample: start returned after 3.0 s" in line for line in log_lines)


def test_attempts_to_start_are_logged_the_first_time_and_every_so_many_times(
    expected_errors: list[object],
) -> None:
    clock, source = Clock(), Source()
    source.broken = True
    running = RunningSource(clock, "sample", source, Door())
    running.start()
    clock.pump([LONGEST_DELAY] * (LOG_EVERY + 1))
    assert len(expected_errors) == 2
    expected_errors.clear()


def test_trouble_is_the_sources_or_the_doors() -> None:
    source, door = Source(), Door()
    running = RunningSource(Clock(), "sample", source, door)
    running.start()
    door.trouble = "too much"
    assert running.trouble == "too much"
    source.trouble = "cable cut"
    assert running.trouble == "cable cut"


def test_trouble_that_cannot_be_read_is_trouble() -> None:
    class Broken(Source):
        trouble = property(lambda _: 1 / 0, lambda *_: None)  # type: ignore[assignment]

    running = RunningSource(Clock(), "sample", Broken(), Door())
    running.start()
    assert running.trouble == "its trouble cannot be read: ZeroDivisionError: division by zero"


def test_one_that_does_not_stop_is_left(expected_errors: list[object]) -> None:
    clock, source, door = Clock(), Source(), Door()
    running = RunningSource(clock, "sample", source, door)
    running.start()
    stopped = running.stop()
    assert not stopped.called and not door.is_closed
    clock.advance(STOP_TIME)
    assert stopped.called and door.is_closed
    expected_errors.clear()


@pytest.mark.parametrize("broken", [True, False])
def test_one_that_never_started_is_not_stopped(broken: bool, expected_errors: list[object]) -> None:
    clock, source, door = Clock(), Source(), Door()
    source.broken = broken
    running = RunningSource(clock, "sample", source, door)
    if broken:
        running.start()
    assert running.stop().called and door.is_closed and not clock.getDelayedCalls()
    expected_errors.clear()


def test_it_sends_what_the_source_can_send() -> None:
    source = Source()
    running = RunningSource(Clock(), "sample", source, Door())
    with pytest.raises(CommandError, match="the source sample cannot send"):
        result_of(running.publish("a", b"b"))
    sent: list[Any] = []
    source.publish = lambda *message: succeed(sent.append(message))  # type: ignore[attr-defined]
    assert result_of(running.publish("a", b"b")) is None and sent == [("a", b"b")]
    source.publish = lambda *message: fail(OSError("cable cut"))  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="not sent by sample: cable cut"):
        result_of(running.publish("a", b"b"))


def test_who_waits_for_the_broker_no_longer_is_not_told_that_nothing_was_sent() -> None:
    source = Source()
    source.publish = lambda *message: Deferred()  # type: ignore[attr-defined]
    sent = RunningSource(Clock(), "sample", source, Door()).publish("a", b"b")
    clock = Clock()
    sent.addTimeout(10, clock)
    clock.advance(10)
    with pytest.raises(TimeoutError):
        result_of(sent)
