"""From the journal to a sink: order, cursor, backoff, and nobody hurt by somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.model import AnyEvent, Uplink
from bssci.sinks import SetAside
from bssci.sinks import pump as pump_module
from bssci.sinks.pump import Pump
from bssci.system.line_limit import LOG_EVERY
from tests.support.inline_journal import InlineJournal
from tests.support.journal import uplink
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


class Sink:
    """Takes batches as told.

    :ivar answers: what the next deliveries return; then everything is taken.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.answers: list[Deferred[None] | Exception] = []
        self.start_fails = 0
        self.started = self.stopped = 0
        self.stopping: Deferred[None] = succeed(None)

    def start(self) -> None:
        if self.start_fails:
            self.start_fails -= 1
            raise RuntimeError("not now")
        self.started += 1

    def deliver(self, batch: list[Uplink]) -> Deferred[None]:
        self.batches.append([event.packet_counter for event in batch])
        answer = self.answers.pop(0) if self.answers else succeed(None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> Deferred[None]:
        self.stopped += 1
        return self.stopping


class Bench:
    """A journal, a clock and pumps."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.journal = InlineJournal(directory)
        self.counter = 0

    def pump(self, sink: Sink, name: str = "test", cursor: int = 0) -> Pump:
        pump = Pump(self.clock, self.journal, name, sink, cursor, self.now)
        pump.start()
        self.settle()
        return pump

    def now(self) -> float:
        return 1_700_000_000 + self.clock.seconds()

    def happen(self, count: int = 1) -> None:
        first, self.counter = self.counter + 1, self.counter + count
        self.journal.events.append([uplink(number) for number in range(first, first + count)])
        self.settle()

    def settle(self) -> None:
        for _ in range(20):
            self.journal.commit()
            self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.journal.cut()


def test_what_happens_is_delivered_in_order_and_the_cursor_moves(bench: Bench) -> None:
    sink = Sink()
    bench.happen(2)
    pump = bench.pump(sink)
    bench.happen(3)
    assert sink.batches == [[1, 2], [3, 4, 5]]
    assert pump.cursor == 5
    assert bench.journal.kept().cursors == {"test": 5}


def test_a_pump_goes_on_behind_its_cursor(bench: Bench) -> None:
    sink = Sink()
    bench.happen(3)
    bench.pump(sink, cursor=2)
    assert sink.batches == [[3]]


def test_a_batch_is_decoded_before_it_is_delivered(bench: Bench) -> None:
    sink = Sink()
    decoding: Deferred[list[AnyEvent]] = Deferred()
    asked: list[Sequence[AnyEvent]] = []

    def decode(events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
        asked.append(events)
        return decoding

    bench.happen(2)
    pump = Pump(bench.clock, bench.journal, "test", sink, 0, bench.now, decode)
    pump.start()
    bench.settle()
    assert [event.packet_counter for event in asked[0]] == [1, 2]  # type: ignore[union-attr]
    assert sink.batches == [] and pump.cursor == 0
    decoding.callback([uplink(7), uplink(8)])
    bench.settle()
    assert sink.batches == [[7, 8]]
    assert pump.cursor == 2 and len(asked) == 1


def test_it_is_known_when_the_newest_batches_were_taken(bench: Bench) -> None:
    bench.happen(2)
    pump = bench.pump(Sink(), cursor=1)
    began = bench.now()
    bench.advance(5.0)
    bench.happen(3)
    assert pump.taken() == [(1, began), (2, began), (5, began + 5.0)]


def test_a_sink_starts_once_and_also_without_events(bench: Bench) -> None:
    sink = Sink()
    bench.pump(sink)
    assert sink.started == 1
    bench.happen()
    assert sink.started == 1


def test_the_next_batch_comes_after_this_one_and_holds_what_waited(bench: Bench) -> None:
    sink, slow = Sink(), Deferred()
    sink.answers = [slow]
    pump = bench.pump(sink)
    bench.happen()
    bench.happen(2)
    bench.happen(3)
    assert sink.batches == [[1]]
    assert (pump.cursor, bench.journal.kept().cursors) == (0, {})
    assert pump.statistics().queued == 6
    slow.callback(None)
    bench.settle()
    assert sink.batches == [[1], [2, 3, 4, 5, 6]]


def test_batches_are_bounded(bench: Bench) -> None:
    sink = Sink()
    bench.happen(1200)
    bench.pump(sink)
    assert [len(batch) for batch in sink.batches] == [500, 500, 200]
    assert [counter for batch in sink.batches for counter in batch] == list(range(1, 1201))


@pytest.mark.parametrize("raises", [False, True])
def test_a_failed_batch_comes_again_with_backoff(bench: Bench, raises: bool) -> None:
    sink = Sink()
    sink.answers = [RuntimeError("no") if raises else fail(RuntimeError("no")) for _ in range(7)]
    pump = bench.pump(sink)
    bench.happen()
    waited = []
    for _ in range(7):
        before, seconds = len(sink.batches), 0.0
        while len(sink.batches) == before:
            bench.advance(0.5)
            seconds += 0.5
        waited.append(seconds)
    assert waited == [1, 2, 4, 8, 16, 30, 30]
    assert sink.batches == [[1]] * 8
    statistics = pump.statistics()
    assert (statistics.failed, statistics.delivered, statistics.failing) == (7, 1, False)
    sink.answers = [fail(RuntimeError("again"))]
    bench.happen()
    assert pump.statistics().failing
    assert pump.statistics().last_error == "again"
    bench.advance(1.0)
    assert sink.batches[-1] == [2]


def test_a_sink_may_say_that_it_cannot_deliver_now(bench: Bench) -> None:
    class Waiting(Sink):
        trouble: str | None = "nobody there"

    sink = Waiting()
    pump = bench.pump(sink)
    statistics = pump.statistics()
    assert (statistics.failing, statistics.trouble, statistics.failed) == (True, "nobody there", 0)
    sink.trouble = None
    statistics = pump.statistics()
    assert (statistics.failing, statistics.trouble) == (False, "")


def test_a_sink_counts_as_delivering_once_it_has_taken_something_of_what_waits(bench: Bench) -> None:
    idle = bench.pump(Sink(), "idle")
    assert idle.is_delivering()
    sink, first = Sink(), Deferred[None]()
    sink.answers = [first, ValueError("away")]
    bench.happen(1)
    pump = bench.pump(sink)
    assert not pump.statistics().failing and not pump.is_delivering()
    first.callback(None)
    bench.settle()
    assert pump.is_delivering()
    bench.happen(1)
    assert not pump.is_delivering()


def test_a_sink_that_connects_says_when_it_has(bench: Bench) -> None:
    class Connecting(Sink):
        reached = False

    sink = Connecting()
    pump = bench.pump(sink)
    assert not pump.is_delivering() and not pump.statistics().failing
    sink.reached = True
    assert pump.is_delivering()


def test_a_sink_need_not_speak_of_trouble_and_may_fail_to(bench: Bench) -> None:
    class Confused(Sink):
        @property
        def trouble(self) -> str:
            raise RuntimeError("no idea")

    silent = bench.pump(Sink(), "silent").statistics()
    assert (silent.failing, silent.trouble) == (False, "")
    confused = bench.pump(Confused(), "confused").statistics()
    assert confused.failing and confused.trouble.endswith("no idea")


def test_an_exception_without_words_is_named(bench: Bench, log_lines: list[str]) -> None:
    sink = Sink()
    sink.answers = [OSError()]
    bench.happen()
    pump = bench.pump(sink)
    assert pump.statistics().last_error == "OSError"
    assert any("delivery failed test, 1 in a row: OSError" in line for line in log_lines)


def test_what_a_sink_reports_about_itself_is_among_its_figures(
    bench: Bench, expected_errors: list[Failure]
) -> None:
    class Odd(Sink):
        trouble = "two\nlines \ud800"
        set_aside = 5
        replayable = "perhaps"

    pump = bench.pump(Odd())
    assert pump.replayable is False and pump.requests() is None
    figures = pump.figures()
    assert (figures["trouble"], figures["set_aside"]) == ("two lines �", 0)
    assert "its replayable cannot be used" in figures["warning"]
    assert len(expected_errors) == 2
    expected_errors.clear()


def test_what_failed_is_said_for_a_sink_without_words(bench: Bench, expected_errors: list[Failure]) -> None:
    sink = Sink()
    sink.start_fails = 1
    pump = bench.pump(sink)
    assert pump.statistics().trouble == "start failed with RuntimeError; see the log"
    bench.advance(1.0)
    assert pump.statistics().trouble == ""
    sink.answers = [KeyError("a secret")]
    bench.happen()
    assert pump.statistics().trouble == "deliver failed with KeyError; see the log"
    assert len(expected_errors) == 1  # a fault of the sink itself is logged with its place
    expected_errors.clear()
    bench.advance(1.0)
    assert pump.statistics().trouble == ""


def test_a_delivery_that_does_not_end_is_trouble_after_a_minute(bench: Bench) -> None:
    sink, delivery = Sink(), Deferred[None]()
    sink.answers = [delivery]
    pump = bench.pump(sink)
    bench.happen()
    bench.advance(pump_module.LONG_DELIVERY - 1)
    assert pump.statistics().trouble == ""
    bench.advance(12)
    statistics = pump.statistics()
    assert (statistics.failing, statistics.trouble) == (True, "a delivery has not ended for 71 s")
    delivery.callback(None)
    bench.settle()
    assert pump.statistics().trouble == ""


def test_a_sink_that_holds_up_the_service_is_named(bench: Bench, log_lines: list[str]) -> None:
    class Blocking(Sink):
        def deliver(self, batch: list[Uplink]) -> Deferred[None]:
            bench.clock.rightNow += 3.0
            return super().deliver(batch)

    pump = bench.pump(Blocking(), "blocking")
    for _ in range(LOG_EVERY):
        bench.happen()
    said = [line for line in log_lines if "held up" in line]
    assert said == ["sink held up the whole service blocking: deliver returned after 3.0 s; 1 so far"]
    bench.happen()
    assert len([line for line in log_lines if "held up" in line]) == 2
    statistics = pump.statistics()
    assert statistics.warning == (
        "it held up the whole service 101 times in the last 10 minutes: deliver returned after 3.0 s"
    )
    assert not statistics.failing  # it does deliver
    bench.advance(pump_module.LATELY)
    assert pump.statistics().warning == ""


def test_a_sink_that_holds_up_the_service_with_a_replay_is_named(bench: Bench, log_lines: list[str]) -> None:
    class Blocking(Sink):
        def deliver_again(self, batch: list[Uplink]) -> Deferred[None]:
            bench.clock.rightNow += 2.0
            return super().deliver(batch)

    pump = bench.pump(Blocking(), "blocking")
    bench.settle()
    pump.deliver_beside([uplink(1)])
    bench.settle()
    assert "once" in pump.statistics().warning and "deliver_again" in pump.statistics().warning


def test_what_a_sink_sets_aside_is_known(bench: Bench) -> None:
    class Choosy(Sink):
        def __init__(self) -> None:
            super().__init__()
            self.set_aside = SetAside("choosy")

        def deliver(self, batch: list[Uplink]) -> Deferred[None]:
            self.set_aside.add(batch[0], "too old")
            return super().deliver(batch)

    choosy, plain = bench.pump(Choosy(), "choosy"), bench.pump(Sink(), "plain")
    bench.happen(2)
    statistics = choosy.statistics()
    assert (statistics.set_aside, statistics.set_aside_reason, statistics.failing) == (1, "too old", False)
    assert (plain.statistics().set_aside, plain.statistics().set_aside_reason) == (0, "")


def test_what_is_wrong_although_a_sink_delivers_is_known(bench: Bench) -> None:
    class Worried(Sink):
        warning = "nothing is deleted"

    worried, plain = bench.pump(Worried(), "worried"), bench.pump(Sink(), "plain")
    bench.happen()
    statistics = worried.statistics()
    assert (statistics.warning, statistics.failing, statistics.delivered) == ("nothing is deleted", False, 1)
    assert plain.statistics().warning == ""


def test_a_sink_that_raises_in_start_is_started_later(bench: Bench) -> None:
    sink = Sink()
    sink.start_fails = 2
    bench.happen()
    pump = bench.pump(sink)
    assert sink.batches == []
    bench.advance(10)
    assert pump.statistics().oldest_seconds == pytest.approx(10)
    bench.advance(2)
    assert (sink.started, sink.batches) == (1, [[1]])


def test_no_sink_notices_another_one(bench: Bench) -> None:
    good, stuck, broken, unborn = Sink(), Sink(), Sink(), Sink()
    stuck.answers = [Deferred()]
    broken.answers = [RuntimeError("bug")] * 100
    unborn.start_fails = 1000
    for name, sink in (("stuck", stuck), ("broken", broken), ("unborn", unborn), ("good", good)):
        bench.pump(sink, name)
    for _ in range(10):
        bench.happen()
        bench.advance(1)
    assert good.batches == [[number] for number in range(1, 11)]
    assert stuck.batches == [[1]]
    assert unborn.batches == []
    assert bench.journal.kept().cursors == {"good": 10}


def test_a_backlog_on_disk_is_read_while_more_comes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed between question and answer must not be jumped over."""
    bench.happen(1)
    bench.journal.events.tail.after = 1_000_000  # nothing is in memory
    sink = Sink()
    pump = Pump(bench.clock, bench.journal, "test", sink, 1, lambda: 0.0)
    asked: list[Deferred[list]] = []

    def read_events(after: int, limit: int) -> Deferred[list]:
        asked.append(Deferred())
        return asked[-1]

    monkeypatch.setattr(bench.journal.events, "read", read_events)
    pump.start()
    monkeypatch.undo()
    bench.happen(1)
    asked[0].callback([])
    bench.settle()
    assert sink.batches == [[2]]


def test_a_cursor_that_is_not_stored_moves_on_with_the_next(bench: Bench) -> None:
    sink = Sink()
    bench.happen(2)
    slow: Deferred[None] = Deferred()
    sink.answers = [slow]
    bench.pump(sink)
    bench.journal.broken = True
    slow.callback(None)
    bench.settle()
    bench.journal.broken = False
    assert bench.journal.kept().cursors == {}
    bench.happen()
    assert sink.batches == [[1, 2], [3]]
    assert bench.journal.kept().cursors == {"test": 3}


def test_cursors_that_are_not_stored_are_told_once_a_minute(
    bench: Bench, log_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "BATCH", 1)
    sink, slow = Sink(), Deferred[None]()
    bench.happen(3)
    sink.answers = [slow]
    bench.pump(sink)
    bench.journal.broken = True
    slow.callback(None)
    bench.settle()
    assert sink.batches == [[1], [2], [3]]
    assert [line for line in log_lines if "cursor" in line] == ["cursor not stored test disk full"]


def stop(pump: Pump) -> list[str]:
    ended: list[str] = []
    ensureDeferred(pump.stop()).addCallbacks(
        lambda _: ended.append("ended"), lambda failure: ended.append(failure.type.__name__)
    )
    return ended


def test_a_stop_waits_for_what_is_being_delivered(bench: Bench) -> None:
    sink, slow = Sink(), Deferred()
    sink.answers = [slow]
    pump = bench.pump(sink)
    bench.happen()
    ended = stop(pump)
    bench.settle()
    assert (ended, sink.stopped) == ([], 0)
    slow.callback(None)
    bench.settle()
    assert (ended, sink.stopped) == (["ended"], 1)
    bench.happen()
    assert sink.batches == [[1]]
    assert bench.clock.getDelayedCalls() == []


def test_a_stop_does_not_wait_for_a_sink_that_fails(bench: Bench) -> None:
    sink = Sink()
    sink.answers = [RuntimeError("no")]
    pump = bench.pump(sink)
    bench.happen()
    assert stop(pump) == ["ended"]
    assert bench.clock.getDelayedCalls() == []


def test_a_stop_of_a_sink_that_never_fires_is_bounded(bench: Bench, expected_errors: list[Failure]) -> None:
    sink = Sink()
    sink.answers = [Deferred()]
    sink.stopping = Deferred()
    pump = bench.pump(sink)
    bench.happen()
    ended = stop(pump)
    bench.advance(pump_module.DRAIN_TIME + 0.1)
    assert sink.stopped == 1
    bench.advance(pump_module.STOP_TIME + 0.1)
    assert ended == ["ended"]
    assert expected_errors.pop().type is TimeoutError
    assert bench.clock.getDelayedCalls() == []


def test_only_what_started_is_stopped(bench: Bench) -> None:
    sink = Sink()
    sink.start_fails = 100
    pump = bench.pump(sink)
    assert stop(pump) == ["ended"]
    assert sink.stopped == 0


def test_the_rate_is_that_of_the_last_minute(bench: Bench) -> None:
    sink = Sink()
    pump = bench.pump(sink)
    for _ in range(120):
        bench.advance(1)
        bench.happen(2)
    assert pump.statistics().rate == pytest.approx(2.0, rel=0.1)
    bench.advance(3600)
    assert pump.statistics().rate == 0.0
    assert pump.statistics().queued == 0


def test_a_sink_that_does_not_stop_properly_is_named(
    bench: Bench, expected_errors: list[Failure], log_lines: list[str]
) -> None:
    sink = Sink()
    pump = bench.pump(sink)
    sink.stopping = fail(KeyError("no"))
    bench.happen()
    stopped = ensureDeferred(pump.stop())
    assert stopped.called and sink.stopped == 1
    assert any("sink not stopped properly test" in line for line in log_lines)
    expected_errors.clear()
