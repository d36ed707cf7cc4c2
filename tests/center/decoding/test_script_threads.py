"""Scripts in threads, with threads that run when the test says so and time that passes while they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bssci.center.decoding import script_threads
from bssci.center.decoding.rests import Rest
from bssci.center.decoding.script_threads import ScriptThreads
from bssci.center.decoding.script_worker import ScriptWorker
from bssci.center.decoding.slow import DecodingJob, SlowDecoding
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.scripts import Script, ScriptDecoder
from bssci.model import Decoded, Reading

FINE, SLOW, LOOPS, HANGS, STUCK, WRONG, BROKEN = range(7)


class FakeScript:
    """A script that does what the first byte says."""

    name = "meter"

    def __init__(self, clock: Clock, version: str = "1") -> None:
        self.version = version
        self.engines = 0
        self.decoded: list[int] = []
        self._clock = clock

    def engine(self) -> FakeScript:
        self.engines += 1
        return self

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Script:
        what = payload.data[0]
        self.decoded.append(what)
        self._pass({SLOW: 0.05, LOOPS: 0.09, HANGS: 0.4, STUCK: 3.0}.get(what, 0.0))
        if what == LOOPS:
            raise DecodeError("timeout", "it takes too long")
        if what == WRONG:
            raise DecodeError("script_error", "line 2: no")
        if what == BROKEN:
            raise ZeroDivisionError
        return Script([Reading("own", what)], ("careful",))

    def _pass(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self._clock.advance(0.01)


class Bench:
    """The threads under test, and what came of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.script = FakeScript(self.clock)
        self.rests: list[Rest] = []
        self.workers: list[ScriptWorker] = []
        self.ended: list[ScriptWorker] = []
        self.threads = ScriptThreads(
            self.clock, lambda call, *arguments: call(*arguments), self.rests.append, self.workers.append
        )

    def decode(self, *what: int, script: FakeScript | None = None) -> Outcome:
        requests = [
            DecodingJob(Payload(data=bytes([one]), kind="uplink", device="mioty:0", received_at=0.0), {})
            for one in what
        ]
        return Outcome(self.clock, self.threads.decode(script or self.script, requests))

    def run(self) -> None:
        """Let every thread do what it has, until it waits."""
        for worker in self.workers:
            while not worker.jobs.empty():
                if not worker.step():
                    self.ended.append(worker)


class Outcome:
    def __init__(self, clock: Clock, done: Deferred[list[Decoded]]) -> None:
        self.answers: list[Decoded] = []
        self.after = -1.0
        began = clock.seconds()

        def settled(answers: list[Decoded]) -> None:
            self.answers = answers
            self.after = clock.seconds() - began

        done.addCallback(settled)

    @property
    def codes(self) -> list[str]:
        return [answer.failure.code if answer.failure else "" for answer in self.answers]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_batch_is_answered_in_its_order(bench: Bench) -> None:
    outcome = bench.decode(FINE, WRONG, SLOW)
    assert outcome.answers == []
    bench.run()
    assert outcome.codes == ["", "script_error", ""]
    assert outcome.answers[0] == Decoded(
        decoder="meter@1", readings=(Reading("own", FINE),), warnings=("careful",)
    )
    assert outcome.answers[1].failure is not None
    assert outcome.answers[1].failure.message == "line 2: no"
    assert bench.script.engines == 1


def test_they_are_what_decoding_asks_for(bench: Bench) -> None:
    slow: SlowDecoding = bench.threads
    assert hasattr(ScriptDecoder, "engine")
    assert slow is bench.threads


def test_nothing_to_decode(bench: Bench) -> None:
    assert bench.decode().after == 0
    assert bench.workers == []


def test_what_a_script_breaks_costs_one_payload(bench: Bench) -> None:
    outcome = bench.decode(BROKEN, FINE)
    bench.run()
    assert outcome.codes == ["fault", ""]
    assert bench.script.engines == 2


def test_a_slow_queue_is_waited_for(bench: Bench) -> None:
    outcome = bench.decode(*[SLOW] * 20)
    bench.run()
    assert outcome.codes == [""] * 20
    assert outcome.after == pytest.approx(1.0)


def test_time_is_looked_at_from_here(bench: Bench) -> None:
    outcome = bench.decode(FINE, HANGS)
    bench.run()
    assert outcome.codes == ["", "timeout"]
    assert 0.1 <= outcome.after <= 0.15


def test_a_payload_that_hangs_costs_itself(bench: Bench) -> None:
    outcome = bench.decode(FINE, LOOPS, FINE)
    bench.run()
    assert outcome.codes == ["", "timeout", ""]
    assert bench.script.engines == 2


def test_a_batch_does_not_wait_longer_than_300_ms_for_a_script_that_hangs(bench: Bench) -> None:
    outcome = bench.decode(*[LOOPS] * 4, FINE)
    bench.run()
    assert outcome.codes == ["timeout"] * 5
    assert outcome.after <= 0.3
    behind = bench.decode(HANGS), bench.decode(FINE)
    bench.run()
    assert [one.codes for one in behind] == [["timeout"], ["timeout"]]
    assert behind[1].after <= 0.3


def test_a_script_rests_after_five_timeouts_in_a_row(bench: Bench) -> None:
    for _ in range(4):
        bench.decode(LOOPS)
        bench.run()
    bench.decode(FINE)
    bench.run()
    assert bench.rests == []
    for _ in range(5):
        bench.decode(LOOPS)
        bench.run()
    assert bench.rests == [Rest("meter@1", 60.0, "it took too long five times in a row")]
    assert bench.threads.resting == tuple(bench.rests)
    refused = bench.decode(FINE)
    assert (refused.codes, refused.after) == (["resting"], 0)
    assert refused.answers[0].failure is not None
    assert refused.answers[0].failure.message == (
        "the script is paused for another 60 s: it took too long five times in a row"
    )


def test_what_waits_is_told_of_the_rest(bench: Bench) -> None:
    outcomes = [bench.decode(LOOPS) for _ in range(5)] + [bench.decode(FINE)]
    bench.run()
    assert outcomes[-1].codes in (["resting"], ["timeout"])
    assert max(outcome.after for outcome in outcomes) <= 0.3


def test_one_timeout_is_enough_after_a_rest_and_makes_the_next_twice_as_long(bench: Bench) -> None:
    for _ in range(5):
        bench.decode(LOOPS)
        bench.run()
    for _ in range(7):
        bench.clock.advance(bench.rests[-1].seconds)
        bench.decode(LOOPS)
        bench.run()
    assert [rest.seconds for rest in bench.rests] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_success_after_a_rest_ends_it(bench: Bench) -> None:
    for _ in range(5):
        bench.decode(LOOPS)
        bench.run()
    bench.clock.advance(60)
    outcome = bench.decode(FINE)
    bench.run()
    assert outcome.codes == [""]
    for _ in range(5):
        bench.decode(LOOPS)
        bench.run()
    assert [rest.seconds for rest in bench.rests] == [60, 60]


def test_a_thread_that_does_not_come_back_is_left_behind(bench: Bench) -> None:
    outcome = bench.decode(STUCK, FINE)
    bench.run()
    assert outcome.codes == ["timeout", "timeout"]
    assert outcome.after <= 0.3
    assert [rest.reason for rest in bench.rests] == ["it did not come back within 2 s"]
    assert bench.workers[0].abandoned
    bench.clock.advance(60)
    again = bench.decode(FINE)
    bench.run()
    assert again.codes == [""]
    assert len(bench.workers) == 2


def test_a_script_whose_threads_never_come_back_is_given_up() -> None:
    bench = Bench()
    bench.threads._ended = lambda worker: None  # type: ignore[method-assign]
    for _ in range(3):
        bench.decode(STUCK)
        bench.run()
        bench.clock.advance(3600)
    assert bench.rests[-1].seconds == float("inf")
    assert bench.decode(FINE).codes == ["resting"]


def test_a_queue_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_threads, "MAX_QUEUED", 3)
    kept, refused = bench.decode(FINE, FINE), bench.decode(FINE, FINE)
    assert refused.codes == ["busy", "busy"]
    bench.run()
    assert kept.codes == ["", ""]


def test_threads_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_threads, "MAX_SCRIPTS", 1)
    bench.decode(FINE)
    assert bench.decode(FINE, script=FakeScript(bench.clock, "2")).codes == ["busy"]


def test_a_changed_script_has_a_thread_and_a_record_of_its_own(bench: Bench) -> None:
    for _ in range(5):
        bench.decode(LOOPS)
        bench.run()
    outcome = bench.decode(FINE, script=FakeScript(bench.clock, "2"))
    bench.run()
    assert outcome.codes == [""]
    assert outcome.answers[0].decoder == "meter@2"


def test_an_idle_thread_ends(bench: Bench) -> None:
    bench.decode(FINE)
    bench.run()
    bench.clock.advance(200)
    bench.decode(FINE)
    bench.run()
    bench.clock.advance(200)
    assert bench.workers[0].jobs.empty()
    bench.clock.advance(100)
    assert not bench.workers[0].step()
    assert bench.clock.getDelayedCalls() == []
    again = bench.decode(FINE)
    bench.run()
    assert again.codes == [""]


def test_no_timer_runs_when_there_is_no_work(bench: Bench) -> None:
    bench.decode(FINE)
    bench.run()
    assert [call.getTime() for call in bench.clock.getDelayedCalls()] == [script_threads.IDLE_TIME]


def test_stopping_answers_what_waits_and_waits_for_threads(bench: Bench) -> None:
    waiting = bench.decode(FINE)
    ended: list[float] = []
    bench.threads.stop().addCallback(lambda _: ended.append(bench.clock.seconds()))
    assert waiting.codes == ["stopped"]
    assert bench.decode(FINE).codes == ["stopped"]
    for worker in bench.workers:
        worker.run()
    assert ended == [0]
    assert bench.clock.getDelayedCalls() == []


def test_stopping_is_bounded(bench: Bench) -> None:
    bench.decode(FINE)
    ended: list[float] = []
    bench.threads.stop().addCallback(lambda _: ended.append(bench.clock.seconds()))
    bench.clock.advance(0.9)
    assert ended == []
    bench.clock.advance(0.2)
    assert ended == [pytest.approx(1.1)]
