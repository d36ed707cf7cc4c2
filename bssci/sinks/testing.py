"""Tests that every sink must pass, to be inherited by a sink's own tests: see ``docs/plugins.md``.

They need pytest and pytest-twisted. A sink's test module consists of a bench and a class::

    class MyBench(SinkBench):
        def make_sink(self):
            return MySink(...)

    class TestMySink(SinkConformance):
        @pytest.fixture
        def bench(self, tmp_path):
            return MyBench()
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from bssci.sinks.interfaces import ISink
from bssci.sinks.testing_events import every_event, odd_events, reception, unknown_event, uplink, uplinks

__all__ = [
    "SinkBench",
    "SinkConformance",
    "every_event",
    "odd_events",
    "reception",
    "unknown_event",
    "uplink",
    "uplinks",
]

PATIENCE = 10.0
"""s of real time that a test waits for something"""
BATCH = 500
"""events that a service delivers at once, at most"""
BLOCKING = 0.25
"""s that the fastest of three calls may take; the service's own bound is a fifth of it, on an idle machine"""
SMALL_TURNS = 50
"""turns of the reactor within which something must happen"""


class SinkBench:
    """A sink's surroundings in a test: it builds the sink, and controls the other side that it delivers to.

    :ivar secrets: texts that the sink was given and must not reveal.
    :ivar clock: the sink's clock; None: the reactor. :meth:`turn` moves it.
    :ivar keeps_each_once: the other side holds an uplink once, however often it is delivered.
    """

    secrets: Sequence[str] = ()
    clock: Any = None
    keeps_each_once = False

    def make_sink(self) -> Any:
        """Build a sink, not started. Called again for a sink that follows a stopped or crashed one."""
        raise NotImplementedError

    def received(self) -> Sequence[str] | None:
        """Return the ids of the uplinks that the other side holds, in order of arrival; None: unknown."""
        return None

    def break_other_side(self) -> None:
        """Make every delivery fail, or wait, until :meth:`mend_other_side`."""
        pytest.skip("the other side of this bench cannot be broken")

    def mend_other_side(self) -> None:
        """End what :meth:`break_other_side` began."""
        raise NotImplementedError

    def refused_event(self) -> Any:
        """Return an event that the other side will never store, so that the sink must set it aside."""
        pytest.skip("the other side of this bench refuses no event")

    def turn(self) -> None:
        """Let the other side act and advance the bench's clock; called until the awaited thing has
        happened."""


class SinkConformance:
    """The tests. A subclass, named ``Test...``, has a fixture ``bench`` that returns a :class:`SinkBench`."""

    async def test_it_is_a_sink(self, bench: SinkBench) -> None:
        verifyObject(ISink, bench.make_sink())

    async def test_it_starts_and_stops_with_nothing_delivered(self, bench: SinkBench) -> None:
        async with running(bench):
            pass
        assert not bench.received(), "something was delivered that the sink was not given"

    async def test_an_empty_batch_is_taken(self, bench: SinkBench) -> None:
        async with running(bench) as sink:
            await taken(bench, sink, [])

    async def test_every_kind_of_event_is_taken(self, bench: SinkBench) -> None:
        async with running(bench) as sink:
            for event in every_event():
                await taken(bench, sink, [event])
            await taken(bench, sink, every_event())
            await taken(bench, sink, uplinks(1))
        arrived(bench, uplinks(1))

    async def test_a_kind_of_event_that_is_yet_unknown_disturbs_nothing(self, bench: SinkBench) -> None:
        before, after = uplinks(2)
        async with running(bench) as sink:
            await taken(bench, sink, [unknown_event()])
            await taken(bench, sink, [before, unknown_event(), after])
        arrived(bench, [before, after])

    async def test_odd_values_cost_their_own_event_at_most(self, bench: SinkBench) -> None:
        first, *middle, last = uplinks(len(odd_events()) + 1)
        async with running(bench) as sink:
            batch: list[Any] = [first]
            for odd, good in zip(odd_events(), [*middle, last], strict=True):
                batch += [odd, good]
            await taken(bench, sink, batch)
        arrived(bench, [first, *middle, last])

    async def test_an_event_that_is_refused_for_good_is_set_aside(self, bench: SinkBench) -> None:
        first, last = uplinks(2)
        refused = bench.refused_event()
        async with running(bench) as sink:
            await taken(bench, sink, [first, refused, last])
            assert sink.set_aside.count == 1, f"set_aside.count is {sink.set_aside.count}"
            one_line(sink.set_aside.last_reason, bench)
            assert sink.set_aside.last_reason, "set_aside.last_reason is empty"
        arrived(bench, [first, last])

    async def test_what_is_set_aside_is_counted_once(self, bench: SinkBench) -> None:
        batch = [uplink(1), bench.refused_event(), uplink(2)]
        async with running(bench) as sink:
            async with broken(bench):
                outcome = await attempted(bench, sink, batch)
            await until(bench, lambda: bool(outcome), "the Deferred of deliver does not fire")
            if outcome != [None]:
                await taken_after(bench, sink, outcome, batch)
            assert sink.set_aside.count == 1, f"set_aside.count is {sink.set_aside.count}"
        arrived(bench, uplinks(2))

    async def test_a_batch_that_comes_again_is_taken_again(self, bench: SinkBench) -> None:
        batch = uplinks(3)
        async with running(bench) as sink:
            for _ in range(3):
                await taken(bench, sink, batch)
        arrived(bench, batch)
        if bench.keeps_each_once:
            assert list(bench.received() or ()) == [event.id for event in batch]

    async def test_batches_keep_their_order(self, bench: SinkBench) -> None:
        events = uplinks(60)
        async with running(bench) as sink:
            for begin in range(0, 60, 7):
                await taken(bench, sink, events[begin : begin + 7])
        arrived(bench, events)

    async def test_a_large_batch_is_taken(self, bench: SinkBench) -> None:
        events = uplinks(BATCH)
        async with running(bench) as sink:
            await taken(bench, sink, events)
        arrived(bench, events)

    async def test_a_large_payload_disturbs_nothing(self, bench: SinkBench) -> None:
        before, after = uplinks(2)
        async with running(bench) as sink:
            await taken(bench, sink, [before, uplink(9, payload=bytes(1_000_000)), after])
        arrived(bench, [before, after])

    async def test_a_sink_that_follows_a_stopped_one_goes_on(self, bench: SinkBench) -> None:
        first, second = uplinks(2)
        for event in (first, second):
            async with running(bench) as sink:
                await taken(bench, sink, [event])
        arrived(bench, [first, second])

    async def test_a_sink_that_follows_a_crashed_one_takes_the_batch_again(self, bench: SinkBench) -> None:
        events = uplinks(4)
        async with running(bench) as sink:
            await taken(bench, sink, events[:3])
            async with running(bench) as successor:
                await taken(bench, successor, events[1:])
        arrived(bench, events)

    async def test_a_failure_is_no_delivery_and_passes(self, bench: SinkBench) -> None:
        events = uplinks(6)
        async with running(bench) as sink:
            await taken(bench, sink, events[:2])
            async with broken(bench):
                outcome = await attempted(bench, sink, events[2:4])
                assert outcome != [None], "the other side is broken, and yet the batch counts as delivered"
            await taken_after(bench, sink, outcome, events[2:])
            await taken(bench, sink, [])
            assert not trouble(sink, bench), "all is well again, but the sink still reports trouble"
        arrived(bench, events)

    async def test_while_it_cannot_deliver_it_says_why_in_one_line(self, bench: SinkBench) -> None:
        event = uplink(1)
        async with running(bench) as sink:
            async with broken(bench):
                outcome = await attempted(bench, sink, [event])
                said = trouble(sink, bench)
                if outcome:
                    (failure,) = outcome
                    assert isinstance(failure, Failure), (
                        "the other side is broken, and yet the batch counts as delivered"
                    )
                    said = said or failure.getErrorMessage()
                    one_line(failure.getErrorMessage(), bench)
                assert said, "neither a failure of deliver nor trouble says why nothing is delivered"
            await taken_after(bench, sink, outcome, [event])

    async def test_it_starts_while_the_other_side_is_away(self, bench: SinkBench) -> None:
        event = uplink(1)
        async with broken(bench):
            sink = bench.make_sink()
            started = start_failure(sink)
            outcome = [] if started else await attempted(bench, sink, [event])
        try:
            if started:
                sink.start()
            await taken_after(bench, sink, outcome or [started], [event])
        finally:
            await stopped(bench, sink)
        arrived(bench, [event])

    async def test_it_stops_while_it_delivers(self, bench: SinkBench) -> None:
        events = uplinks(2)
        async with broken(bench):
            async with running(bench) as sink:
                outcome = deliver(sink, events)
            assert outcome != [None], "the other side is broken, and yet the batch counts as delivered"
        async with running(bench) as successor:
            await taken(bench, successor, events)
        arrived(bench, events)

    async def test_it_leaves_no_timer_behind(self, bench: SinkBench) -> None:
        before = timers(bench)
        async with running(bench) as sink:
            await taken(bench, sink, uplinks(1))
        left: list[Any] = []
        for _ in range(SMALL_TURNS):
            left = [call for call in timers(bench) if call not in before]
            if not left:
                break
            await turn(bench)
        assert not left, f"timers run on after stop: {left}"

    async def test_it_never_blocks_the_reactor(self, bench: SinkBench) -> None:
        async with running(bench) as sink:
            await taken(bench, sink, [*every_event(), *uplinks(1)])  # so that late imports are done
            times = []
            for _ in range(3):
                with blocking_calls() as calls:
                    began = time.perf_counter()
                    outcome = deliver(sink, uplinks(BATCH))
                    times.append(time.perf_counter() - began)
                await fired(bench, outcome)
                assert not calls, f"deliver does in the reactor's thread what may block: {calls}"
            assert min(times) < BLOCKING, f"deliver held up the reactor for {min(times):.3f} s"

    async def test_no_secret_is_told(self, bench: SinkBench) -> None:
        if not bench.secrets:
            pytest.skip("the sink has no secret")
        with logged_texts() as lines:
            async with running(bench) as sink:
                texts = [repr(sink), str(sink)]
                await taken(bench, sink, uplinks(1))
                texts.append(trouble(sink, bench))
                async with broken(bench):
                    outcome = await attempted(bench, sink, uplinks(1))
                    texts += [trouble(sink, bench), *map(str, outcome)]
                await taken_after(bench, sink, outcome, uplinks(1))
        for text in texts + lines:
            assert not [secret for secret in bench.secrets if secret in text], "a secret is told"


def deliver(sink: Any, batch: Sequence[Any]) -> list[Any]:
    """Deliver as the service does; the outcome is added to the list: None or a Failure."""
    outcome: list[Any] = []
    maybeDeferred(sink.deliver, list(batch)).addBoth(outcome.append)
    return outcome


async def turn(bench: SinkBench) -> None:
    from twisted.internet import reactor

    bench.turn()
    waited: Deferred[None] = deferLater(reactor, 0 if bench.clock is not None else 0.001)
    await waited


async def fired(bench: SinkBench, outcome: list[Any]) -> None:
    """Wait until there is an outcome, which must be a success."""
    await until(bench, lambda: bool(outcome), "the Deferred of deliver does not fire")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()


async def until(bench: SinkBench, condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, otherwise
        await turn(bench)


async def taken(bench: SinkBench, sink: Any, batch: Sequence[Any]) -> None:
    """Deliver a batch that must be taken at once."""
    await fired(bench, deliver(sink, batch))


async def attempted(bench: SinkBench, sink: Any, batch: Sequence[Any]) -> list[Any]:
    """Deliver a batch, wait for a failure or a trouble, and return the outcome: empty while there is none."""
    outcome = deliver(sink, batch)
    await until(
        bench,
        lambda: bool(outcome) or bool(trouble(sink, bench)),
        "the other side is broken, but deliver does not fail and the sink reports no trouble",
    )
    for _ in range(SMALL_TURNS):
        await turn(bench)
    return outcome


async def taken_after(bench: SinkBench, sink: Any, outcome: list[Any], batch: Sequence[Any]) -> None:
    """Wait until a batch is taken after a failure, repeating it as the service does.

    :param outcome: what :func:`attempted` returned for the first events of the batch.
    """
    if not outcome:
        # It may fail yet: a trouble can be known before the delivery is given up.
        await until(bench, lambda: bool(outcome), "the Deferred of deliver does not fire")
    deadline = time.monotonic() + PATIENCE
    while True:
        again = deliver(sink, batch)
        await until(bench, lambda: bool(again), "the Deferred of deliver does not fire")  # noqa: B023
        if again == [None]:
            return
        assert time.monotonic() < deadline, f"the other side works again, and yet: {again[0]}"
        await turn(bench)


async def stopped(bench: SinkBench, sink: Any) -> None:
    outcome: list[Any] = []
    with blocking_calls() as calls:
        maybeDeferred(sink.stop).addBoth(outcome.append)
    assert not calls, f"stop does in the reactor's thread what may block: {calls}"
    await until(bench, lambda: bool(outcome), "the Deferred of stop does not fire")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()


@asynccontextmanager
async def running(bench: SinkBench) -> AsyncIterator[Any]:
    """Run a sink from its start to its stop."""
    sink = bench.make_sink()
    with blocking_calls() as calls:
        sink.start()
    try:
        yield sink
    finally:
        await stopped(bench, sink)
    assert not calls, f"start does in the reactor's thread what may block: {calls}"


@asynccontextmanager
async def broken(bench: SinkBench) -> AsyncIterator[None]:
    """Have the other side fail within the block."""
    bench.break_other_side()
    try:
        yield
    finally:
        bench.mend_other_side()


def start_failure(sink: Any) -> Failure | None:
    try:
        sink.start()
    except Exception:
        return Failure()
    return None


def trouble(sink: Any, bench: SinkBench) -> str:
    """Return the sink's trouble, after checking that it is one line without a secret."""
    text = str(getattr(sink, "trouble", None) or "")
    one_line(text, bench)
    return text


def one_line(text: str, bench: SinkBench) -> None:
    assert len(text.splitlines()) <= 1, f"more than one line: {text!r}"
    assert len(text) <= 500, f"too long for people: {text!r}"
    assert not [secret for secret in bench.secrets if secret in text], "a secret is told"


def arrived(bench: SinkBench, events: Sequence[Any]) -> None:
    """Check that each uplink arrived, in order; others and repetitions may lie between."""
    received = bench.received()
    if received is None:
        return
    wanted = [event.id for event in events]
    arrivals = [each for each in dict.fromkeys(received) if each in set(wanted)]
    missing = [each for each in wanted if each not in set(arrivals)]
    assert not missing, f"{len(missing)} of {len(wanted)} uplinks are missing, the first is {missing[0]}"
    assert arrivals == wanted, f"uplinks arrived in another order: {arrivals[:20]} ..."


def timers(bench: SinkBench) -> Sequence[Any]:
    from twisted.internet import reactor

    clock = bench.clock if bench.clock is not None else reactor
    return list(clock.getDelayedCalls())


@contextmanager
def logged_texts() -> Iterator[list[str]]:
    """Yield the list of texts that are logged within the block."""
    lines: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))
        if event.get("log_failure") is not None:
            lines.append(event["log_failure"].getTraceback())

    globalLogPublisher.addObserver(observe)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(observe)


_BLOCKING_CALLS = {
    "open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.truncate", "shutil.move",
    "socket.getaddrinfo", "socket.gethostbyname", "sqlite3.connect", "subprocess.Popen", "urllib.Request",
}  # fmt: skip
"""calls that block, by the names of Python's audit events"""
_SOURCES = (".py", ".pyc", ".so")
"""files that are imported, or shown in a traceback"""
_watched: list[list[str]] = []
_hooked = False


def _audit(name: str, values: tuple[Any, ...]) -> None:
    if not _watched or name not in _BLOCKING_CALLS:
        return
    if threading.current_thread() is not threading.main_thread():
        return
    what = str(values[0]) if values else ""
    if not what.endswith(_SOURCES):
        _watched[-1].append(f"{name} {what}".strip())


@contextmanager
def blocking_calls() -> Iterator[list[str]]:
    """Yield the list of calls in the reactor's thread that wait for a disk, a name server or a process."""
    global _hooked  # noqa: PLW0603
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    calls: list[str] = []
    sleep = time.sleep

    def watched_sleep(seconds: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            calls.append(f"time.sleep {seconds}")
        sleep(seconds)

    _watched.append(calls)
    time.sleep = watched_sleep  # it has no audit event before Python 3.13
    try:
        yield calls
    finally:
        time.sleep = sleep
        _watched.remove(calls)
