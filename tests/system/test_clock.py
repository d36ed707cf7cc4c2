"""Tickers that nothing stops but their owner; a reactor on the monotonic clock."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.task import Clock

from bssci.system.clock import (
    STEPS,
    TURN,
    Countdown,
    SteadyTime,
    Ticker,
    boot_seconds,
    in_slices,
    in_turns,
    let_go,
    pause,
    turn,
    use_boot_time,
)


def test_a_ticker_calls_every_interval_until_it_is_stopped() -> None:
    clock, calls = Clock(), []
    ticker = Ticker(clock, 2.0, lambda: calls.append(clock.seconds()))
    ticker.start()
    ticker.start()
    clock.pump([1.0] * 5)
    assert calls == [2.0, 4.0]
    ticker.stop()
    clock.pump([1.0] * 5)
    assert calls == [2.0, 4.0]
    assert clock.getDelayedCalls() == []
    ticker.start()
    clock.advance(2.0)
    assert len(calls) == 3


def test_a_body_that_raises_is_logged_and_called_again(expected_errors) -> None:
    clock, calls = Clock(), []

    def body() -> None:
        calls.append(1)
        raise RuntimeError("bug")

    Ticker(clock, 1.0, body).start()
    clock.pump([1.0] * 3)
    assert len(calls) == 3
    assert len(expected_errors) == 3
    expected_errors.clear()


def test_a_body_may_stop_its_ticker() -> None:
    clock = Clock()

    def body() -> None:
        ticker.stop()

    ticker = Ticker(clock, 1.0, body)
    ticker.start()
    clock.advance(1.0)
    assert clock.getDelayedCalls() == []


def test_the_reactor_keeps_the_time_since_the_boot_unless_it_has_timers() -> None:
    idle, busy = Clock(), Clock()
    busy.callLater(1, lambda: None)
    use_boot_time(idle)
    use_boot_time(busy)
    assert idle.seconds is boot_seconds
    assert abs(boot_seconds() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
    assert busy.seconds() == 0.0


def test_items_that_take_long_leave_a_turn_to_others_between_them() -> None:
    clock, did = Clock(), []

    async def go() -> None:
        async for seconds in in_turns(clock, [0.0, 0.0, TURN, 0.0]):
            clock.rightNow += seconds
            did.append(seconds)

    ensureDeferred(go())
    assert did == [0.0, 0.0, TURN]
    clock.callLater(0, did.append, "other")
    clock.advance(0)
    assert did == [0.0, 0.0, TURN, 0.0, "other"]


def test_slices_leave_a_turn_to_others_between_them() -> None:
    clock, seen = Clock(), []

    async def go() -> None:
        async for few in in_slices(clock, range(5), 2):
            seen.append(list(few))

    done = ensureDeferred(go())
    assert seen == [[0, 1]] and len(clock.getDelayedCalls()) == 1
    clock.advance(0)
    assert seen == [[0, 1], [2, 3], [4]] and done.called


def test_many_objects_are_let_go_some_at_a_time() -> None:
    clock, objects = Clock(), [object() for _ in range(25)]
    gone = ensureDeferred(let_go(clock, objects, 10))
    assert len(objects) == 15 and len(clock.getDelayedCalls()) == 1
    clock.advance(0)
    assert objects == [] and gone.called
    few = [object()]
    ensureDeferred(let_go(clock, few, 10))
    assert few == [] and clock.getDelayedCalls() == []


def test_a_pause_that_is_cancelled_leaves_no_timer_behind() -> None:
    clock = Clock()
    first, second = pause(clock, 2.0), pause(clock, 3.0)
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(2.0)
    assert first.called and not clock.getDelayedCalls()


def test_steady_time_goes_on_while_the_clock_is_set() -> None:
    clock, ahead = Clock(), [1000.0]
    time_of_day = SteadyTime(clock, lambda: clock.seconds() + ahead[0])
    clock.advance(5)
    assert (time_of_day(), time_of_day.jump()) == (1005.0, 0.0)
    ahead[0] += 0.2
    assert (time_of_day.jump(), time_of_day()) == (0.0, 1005.2)
    for seconds in (-500.0, 86400.0):
        before = time_of_day()
        ahead[0] += seconds
        clock.advance(1)
        assert time_of_day.jump() == seconds
        assert time_of_day() == before + 1
        time_of_day.follow(seconds)
        assert (time_of_day(), time_of_day.jump()) == (before + 1 + seconds, 0.0)


def test_a_countdown_counts_only_while_the_reactor_runs() -> None:
    clock, calls = Clock(), list[float]()
    countdown = Countdown(clock, 1.0, lambda: calls.append(clock.seconds()))
    clock.advance(3600)
    assert calls == []
    clock.pump([1.0 / STEPS] * (STEPS - 2))
    countdown.restart()
    clock.pump([1.0 / STEPS] * (STEPS - 1))
    assert calls == []
    clock.advance(1.0 / STEPS)
    assert len(calls) == 1 and clock.getDelayedCalls() == []
    countdown.cancel()
    Countdown(clock, 1.0, lambda: calls.append(0.0)).cancel()
    assert clock.getDelayedCalls() == []


class BusyClock(Clock):
    """A reactor whose turns are counted, and in which work takes time."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def work(self, seconds: float) -> None:
        self.rightNow += seconds

    def run_turn(self) -> None:
        """Make the calls that are due when the turn begins, and no later ones."""
        self.turns += 1
        for call in [each for each in self.calls if each.getTime() <= self.rightNow]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


def test_many_that_yield_at_the_same_time_take_no_long_turn_together() -> None:
    clock, done = BusyClock(), []

    async def work(name: int) -> None:
        for _ in range(3):
            await turn(clock)
            clock.work(0.01)
            done.append((clock.turns, name))

    for name in range(40):
        ensureDeferred(work(name))
    while clock.calls:
        clock.run_turn()
    assert clock.turns == 120, "one slice a turn"
    assert [name for _, name in done] == [*range(40)] * 3, "in the order in which they yielded"


def test_short_slices_share_a_turn() -> None:
    clock, done = BusyClock(), []

    async def work(name: int) -> None:
        await turn(clock)
        clock.work(0.001)
        done.append(name)

    for name in range(40):
        ensureDeferred(work(name))
    while clock.calls:
        clock.run_turn()
    assert done == [*range(40)] and clock.turns == 8


def test_who_no_longer_waits_gets_no_turn() -> None:
    clock, fired = Clock(), []
    waiting: list[Any] = [turn(clock) for _ in range(3)]
    for number, each in enumerate(waiting):
        each.addCallbacks(lambda _, number=number: fired.append(number), lambda _: None)
    waiting[1].cancel()
    clock.advance(0)
    assert fired == [0, 2] and clock.getDelayedCalls() == []
