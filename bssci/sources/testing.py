"""Tests that every source must pass, to be inherited by a source's own tests: see ``docs/plugins.md``.

They need pytest and pytest-twisted. A source's test module consists of a bench and a class::

    class MyBench(SourceBench):
        def make_source(self):
            return MySource(...)

        def send(self, number):
            ...

    class TestMySource(SourceConformance):
        @pytest.fixture
        def bench(self, tmp_path):
            return MyBench()
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from bssci.center.telegrams.door import misfit
from bssci.model import Telegram, encode_event
from bssci.sources.interfaces import ISource

PATIENCE = 10.0
"""s of real time that a test waits for something"""
MANY = 300
"""messages that come at once"""
QUIET_TURNS = 40
"""turns of the reactor to wait for something that must not happen"""
LONGEST_TROUBLE = 500
"""characters of a source's trouble"""


class SourceBench:
    """A source's surroundings in a test: a factory for the source, and the other side that it listens to.

    :ivar name: name by which ``SOURCES`` knows it: its telegrams' ``source``.
    :ivar secrets: secrets that the source was given and that must not appear anywhere.
    :ivar clock: what the source was given as its clock; None: the reactor. :meth:`turn` moves it.
    """

    name = ""
    secrets: Sequence[str] = ()
    clock: Any = None

    def make_source(self) -> Any:
        """Build a source, not started. Called again for one that follows a stopped or crashed one."""
        raise NotImplementedError

    def send(self, number: int) -> None:
        """Have the other side send a message: a different one for each number, the same one for the same
        number.
        """
        raise NotImplementedError

    def confirmed(self) -> Collection[int] | None:
        """Return the numbers of the messages confirmed to the other side; None: this other side expects no
        confirmation.
        """
        return None

    def send_nonsense(self) -> int:
        """Have the other side send unreadable messages; return how many."""
        pytest.skip("the other side of this bench sends no nonsense")

    def break_other_side(self) -> None:
        """Take the other side down until :meth:`mend_other_side`."""
        pytest.skip("the other side of this bench cannot be broken")

    def mend_other_side(self) -> None:
        """End what :meth:`break_other_side` began. What was sent and not confirmed comes again."""
        raise NotImplementedError

    def turn(self) -> None:
        """Let the other side act and advance the bench's clock; called repeatedly while a test waits."""


class TestIngest:
    """An ingest that a test opens and shuts: see :class:`bssci.center.interfaces.IIngest`.

    :ivar taken: telegrams that are on disk, each once.
    :ivar unfit: reasons why the service would refuse telegrams that were offered.
    :ivar is_open: takes offers at once; otherwise they wait for :meth:`take` or :meth:`refuse`.
    """

    __test__ = False

    def __init__(self) -> None:
        self.taken: list[Telegram] = []
        self.waiting: list[tuple[list[Telegram], dict[str, int], Deferred[None]]] = []
        self.is_open = True
        self.refuses = False
        self.rejected = 0
        self.unfit: list[str] = []
        self.cursors: dict[str, int] = {}
        self.most_at_once = 0

    def __call__(
        self, telegrams: Sequence[Telegram], cursors: Mapping[str, int] | None = None
    ) -> Deferred[None]:
        for telegram in telegrams:
            if misfit(telegram):
                self.unfit.append(misfit(telegram))
            encode_event(telegram)
        if self.refuses:
            return fail(RuntimeError("nothing is taken now"))
        done: Deferred[None] = Deferred()
        self.waiting.append((list(telegrams), dict(cursors or {}), done))
        self.most_at_once = max(self.most_at_once, sum(len(each) for each, _, _ in self.waiting))
        if self.is_open:
            self.take()
        return done

    def take(self) -> None:
        """Take everything that waits, as if it were on disk now."""
        waiting, self.waiting = self.waiting, []
        for telegrams, cursors, done in waiting:
            known = {each.id for each in self.taken}
            for telegram in telegrams:
                if telegram.id not in known:
                    known.add(telegram.id)
                    self.taken.append(telegram)
            self.cursors.update(cursors)
            done.callback(None)

    def refuse(self) -> None:
        """Refuse everything that waits."""
        waiting, self.waiting = self.waiting, []
        for _, _, done in waiting:
            done.errback(RuntimeError("nothing is taken now"))

    def knows(self, id: str) -> bool:
        return any(each.id == id for each in self.taken)

    def reject(self, reason: str, example: str = "", count: int = 1) -> None:
        self.rejected += count

    def remark(self, reason: str, example: str = "") -> None:
        """Take no notice."""


class SourceConformance:
    """The tests. A subclass, named ``Test...``, has a fixture ``bench``, a :class:`SourceBench`."""

    async def test_it_is_a_source(self, bench: SourceBench) -> None:
        verifyObject(ISource, bench.make_source())

    async def test_it_starts_and_stops_with_nothing_sent(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            await quiet(bench)
        assert not ingest.taken

    async def test_a_message_is_a_telegram(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            bench.send(1)
            await until(bench, lambda: len(ingest.taken) == 1, "the telegram")
        [telegram] = ingest.taken
        assert ingest.unfit == [], f"the service would refuse it: {ingest.unfit[0]}"
        assert telegram.source == bench.name, f"its source is {telegram.source!r}, not {bench.name!r}"
        assert telegram.id and telegram.device and telegram.gateway, "an id is empty"
        assert ":" in telegram.device, f"{telegram.device!r} has no kind in front"
        assert abs(telegram.at - time.time()) < 1e9, "at is not a time of our clock in Unix seconds"

    async def test_every_message_is_another_telegram_in_its_order(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            for number in range(20):
                bench.send(number)
            await until(bench, lambda: len(ingest.taken) == 20, "20 telegrams")
        assert len({telegram.id for telegram in ingest.taken}) == 20

    async def test_the_other_side_is_told_when_it_is_on_disk_and_not_before(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            ingest.is_open = False
            bench.send(1)
            await until(bench, lambda: bool(ingest.waiting), "an offer")
            await quiet(bench)
            assert not bench.confirmed(), "it was confirmed before it was on disk"
            ingest.is_open = True
            ingest.take()
            await until(bench, lambda: bench.confirmed() is None or 1 in told(bench), "the confirmation")

    async def test_what_is_refused_is_offered_again_and_not_confirmed(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            ingest.is_open = False
            bench.send(1)
            await until(bench, lambda: bool(ingest.waiting), "an offer")
            ingest.refuse()
            await quiet(bench, 3)
            assert not bench.confirmed(), "it was confirmed although it was refused"
            ingest.is_open = True
            ingest.take()
            await until(bench, lambda: len(ingest.taken) == 1, "the offer of it again")

    async def test_a_way_in_that_fails_at_once_disturbs_nothing(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            ingest.refuses = True
            bench.send(1)
            await quiet(bench, 3)
            ingest.refuses = False
            bench.send(2)
            await until(bench, lambda: len(ingest.taken) == 2, "both telegrams")

    async def test_what_comes_again_has_the_same_id(self, bench: SourceBench) -> None:
        ids = []
        for _ in range(2):
            async with bringing(bench) as (_, ingest):
                bench.send(7)
                await until(bench, lambda: len(ingest.taken) == 1, "the telegram")
                ids.append(ingest.taken[0].id)
        assert ids[0] == ids[1], "one message has two ids"

    async def test_nonsense_costs_itself_and_is_counted(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            count = bench.send_nonsense()
            bench.send(1)
            await until(bench, lambda: len(ingest.taken) == 1, "the telegram behind the nonsense")
            assert ingest.rejected == count, f"{ingest.rejected} of {count} were counted"

    async def test_many_at_once_are_all_brought(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            for number in range(MANY):
                bench.send(number)
            await until(bench, lambda: len(ingest.taken) == MANY, f"{MANY} telegrams")

    async def test_it_starts_while_the_other_side_is_away(self, bench: SourceBench) -> None:
        bench.break_other_side()
        async with bringing(bench) as (source, ingest):
            await quiet(bench)
            check_trouble(bench, source)
            bench.mend_other_side()
            bench.send(1)
            await until(bench, lambda: len(ingest.taken) == 1, "the telegram")
            assert not (getattr(source, "trouble", None) or ""), "its trouble does not pass"

    async def test_it_comes_back_when_the_other_side_was_away(self, bench: SourceBench) -> None:
        async with bringing(bench) as (source, ingest):
            bench.send(1)
            await until(bench, lambda: len(ingest.taken) == 1, "the first telegram")
            bench.break_other_side()
            await quiet(bench)
            check_trouble(bench, source)
            bench.mend_other_side()
            bench.send(2)
            await until(bench, lambda: len(ingest.taken) == 2, "the telegram after the outage")

    async def test_it_stops_while_it_waits_for_the_disk(self, bench: SourceBench) -> None:
        source, ingest = bench.make_source(), TestIngest()
        source.start(ingest)
        ingest.is_open = False
        bench.send(1)
        await until(bench, lambda: bool(ingest.waiting), "an offer")
        stopped: list[Any] = []
        maybeDeferred(source.stop).addBoth(stopped.append)
        await quiet(bench, 3)
        ingest.take()
        await until(bench, lambda: bool(stopped), "the end of stop()")
        assert stopped == [None], f"stop() failed: {stopped[0]}"

    async def test_one_that_follows_a_stopped_one_goes_on(self, bench: SourceBench) -> None:
        for number in (1, 2):
            async with bringing(bench) as (_, ingest):
                bench.send(number)
                await until(bench, lambda: bool(ingest.taken), "the telegram")

    async def test_it_leaves_no_timer_behind(self, bench: SourceBench) -> None:
        async with bringing(bench) as (_, ingest):
            bench.send(1)
            await until(bench, lambda: bool(ingest.taken), "the telegram")
        if bench.clock is not None:
            assert not bench.clock.getDelayedCalls(), "timers are left over"

    async def test_no_secret_is_told(self, bench: SourceBench) -> None:
        async with bringing(bench) as (source, _):
            await quiet(bench, 3)
            said = f"{source!r} {getattr(source, 'trouble', '')}"
        assert not [secret for secret in bench.secrets if secret in said], "a secret is told"


@asynccontextmanager
async def bringing(bench: SourceBench) -> AsyncIterator[tuple[Any, TestIngest]]:
    """Run a source; afterwards it is stopped."""
    source, ingest = bench.make_source(), TestIngest()
    source.start(ingest)
    try:
        yield source, ingest
    finally:
        stopped: list[Any] = []
        maybeDeferred(source.stop).addBoth(stopped.append)
        await until(bench, lambda: bool(stopped), "the end of stop()")
        assert stopped == [None], f"stop() failed: {stopped[0]}"


def told(bench: SourceBench) -> Collection[int]:
    return bench.confirmed() or ()


def check_trouble(bench: SourceBench, source: Any) -> None:
    """Check that a source whose other side is away says so in one line, without a secret."""
    trouble = getattr(source, "trouble", None)
    if trouble is None:
        return
    assert trouble, "it does not say that the other side is away"
    assert "\n" not in trouble and len(trouble) <= LONGEST_TROUBLE, "its trouble is more than one short line"
    assert not [secret for secret in bench.secrets if secret in trouble], "a secret is told"


async def quiet(bench: SourceBench, turns: int = QUIET_TURNS) -> None:
    """Wait long enough for anything that is still to be offered."""
    for _ in range(turns):
        await _turn(bench)


async def until(bench: SourceBench, came: Callable[[], bool], what: str) -> None:
    """Wait for something.

    :raises AssertionError: it has not come in time.
    """
    end = time.monotonic() + PATIENCE
    while not came():
        assert time.monotonic() < end, f"{what} did not come"
        await _turn(bench)


async def _turn(bench: SourceBench) -> None:
    from twisted.internet import reactor

    bench.turn()
    await deferLater(reactor, 0 if bench.clock is not None else 0.01)
