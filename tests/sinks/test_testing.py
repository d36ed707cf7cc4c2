"""The kit finds what it is for: each sink here has one fault, and one test of the kit must name it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from bssci.model import AnyEvent, Uplink
from bssci.sinks import ISink, SetAside
from bssci.sinks import testing as kit
from bssci.sinks.testing import SinkBench, SinkConformance, every_event, odd_events, reception, uplink
from bssci.sinks.testing_events import unknown_event

SECRET = "Pa55word"
REFUSED = "refused"


class Store:
    """The other side: uplinks' ids in order."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.away = False


@implementer(ISink)
class Good:
    """A sink without a fault."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trouble = ""
        self.set_aside = SetAside("good")

    def start(self) -> None: ...

    def deliver(self, batch: Sequence[Any]) -> Deferred[None]:
        if self.store.away:
            self.trouble = "the store is away"
            return fail(ConnectionError("the store is away"))
        self.trouble = ""
        for event in batch:
            if isinstance(event, Uplink):
                self.keep(event)
        return succeed(None)

    def keep(self, event: Uplink) -> None:
        if event.best.profile == REFUSED:
            self.set_aside.add(event, "no profile\nis refused")
        else:
            self.store.ids.append(event.id)

    def stop(self) -> Deferred[None]:
        return succeed(None)


class Bench(SinkBench):
    secrets = (SECRET,)

    def __init__(self, kind: type[Good] = Good) -> None:
        self._kind = kind
        self._store = Store()

    def make_sink(self) -> Good:
        return self._kind(self._store)

    def received(self) -> Sequence[str]:
        return self._store.ids

    def break_other_side(self) -> None:
        self._store.away = True

    def mend_other_side(self) -> None:
        self._store.away = False

    def refused_event(self) -> Uplink:
        return uplink(77, receptions=[reception(77, profile=REFUSED)])


class TestGood(SinkConformance):
    @pytest.fixture
    def bench(self) -> SinkBench:
        return Bench()


class Knows(Good):
    def deliver(self, batch):
        for event in batch:
            if type(event) not in get_args(AnyEvent):
                raise TypeError("what is that?")
        return super().deliver(batch)


class Shuffles(Good):
    def deliver(self, batch):
        return super().deliver(batch[::-1])


class Forgets(Good):
    def deliver(self, batch):
        super().deliver(batch).addErrback(lambda failure: None)
        return succeed(None)


class Fussy(Good):
    def keep(self, event):
        if event.best.profile and "\ud800" in event.best.profile:
            raise ValueError("no such character")
        super().keep(event)


class CutsOff(Good):
    def deliver(self, batch):
        return super().deliver(batch[:100])


class NoLarge(Good):
    def keep(self, event):
        if len(event.payload) > 1000:
            raise ValueError("too large")
        super().keep(event)


class Silent(Good):
    def deliver(self, batch):
        return fail(ConnectionError()) if self.store.away else super().deliver(batch)


class Chatty(Good):
    def deliver(self, batch):
        return fail(ConnectionError("two\nlines")) if self.store.away else super().deliver(batch)


class Blames(Good):
    def deliver(self, batch):
        done = super().deliver(batch)
        self.trouble = self.trouble or "still bad"
        return done


class Tells(Good):
    def start(self):
        Logger().info("connecting {url}", url=f"https://user:{SECRET}@example.org")


class Represents(Good):
    def __repr__(self):
        return f"<sink {SECRET}>"


class Sleeps(Good):
    def deliver(self, batch):
        time.sleep(0.001)
        return super().deliver(batch)


class Computes(Good):
    def deliver(self, batch):
        began = time.perf_counter()
        while len(batch) > 400 and time.perf_counter() - began < kit.BLOCKING:
            pass
        return super().deliver(batch)


class Opens(Good):
    def start(self):
        with open("/dev/null", "rb"):
            pass


class Ticks(Good):
    def start(self):
        self.timer = reactor.callLater(60, print)


class Hangs(Good):
    def stop(self):
        return Deferred()


class Resends(Good):
    def deliver(self, batch):
        if self.store.away:
            self.late = batch
            return succeed(None)
        return super().deliver(batch)


class StopsAll(Good):
    def keep(self, event):
        if event.best.profile == REFUSED:
            raise ValueError("not this one")
        super().keep(event)


class Uncounted(Good):
    def keep(self, event):
        if event.best.profile != REFUSED:
            super().keep(event)


class CountsEachTime(Good):
    def deliver(self, batch):
        for event in batch:
            if self.store.away and isinstance(event, Uplink) and event.best.profile == REFUSED:
                self.set_aside.add(event, "no")
        return super().deliver(batch)


class NeedsOther(Good):
    def start(self):
        if self.store.away and not self.trouble:
            self.deliver = lambda batch: fail(RuntimeError("broken for good"))


class Half:
    def __init__(self, store: Store) -> None: ...


FAULTS = [
    (Half, "it_is_a_sink", "failed to implement"),
    (Knows, "a_kind_of_event_that_is_yet_unknown_disturbs_nothing", "what is that"),
    (Shuffles, "batches_keep_their_order", "in another order"),
    (Forgets, "a_failure_is_no_delivery_and_passes", "counts as delivered"),
    (Fussy, "odd_values_cost_their_own_event_at_most", "no such character"),
    (CutsOff, "a_large_batch_is_taken", "400 of 500 uplinks are missing"),
    (NoLarge, "a_large_payload_disturbs_nothing", "too large"),
    (Silent, "while_it_cannot_deliver_it_says_why_in_one_line", "neither a failure"),
    (Chatty, "while_it_cannot_deliver_it_says_why_in_one_line", "more than one line"),
    (Blames, "a_failure_is_no_delivery_and_passes", "still reports trouble"),
    (Tells, "no_secret_is_told", "a secret is told"),
    (Represents, "no_secret_is_told", "a secret is told"),
    (Sleeps, "it_never_blocks_the_reactor", r"time\.sleep"),
    (Computes, "it_never_blocks_the_reactor", "held up the reactor"),
    (Opens, "it_starts_and_stops_with_nothing_delivered", "open /dev/null"),
    (Ticks, "it_leaves_no_timer_behind", "timers run on"),
    (Hangs, "it_starts_and_stops_with_nothing_delivered", "stop does not fire"),
    (Resends, "it_stops_while_it_delivers", "counts as delivered"),
    (StopsAll, "an_event_that_is_refused_for_good_is_set_aside", "not this one"),
    (Uncounted, "an_event_that_is_refused_for_good_is_set_aside", "set_aside.count is 0"),
    (CountsEachTime, "what_is_set_aside_is_counted_once", "set_aside.count is 2"),
    (NeedsOther, "it_starts_while_the_other_side_is_away", "and yet"),
]


@pytest.mark.parametrize(("kind", "test", "says"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_fault_is_found(
    kind: type[Good], test: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "PATIENCE", 0.05)
    if kind is Computes:
        monkeypatch.setattr(kit, "BLOCKING", 0.02)
    with pytest.raises(Exception, match=says):
        await getattr(SinkConformance(), f"test_{test}")(Bench(kind))
    for call in reactor.getDelayedCalls():
        if call.func is print:
            call.cancel()


def test_every_kind_of_event_is_among_the_samples_and_no_other() -> None:
    assert {type(event) for event in every_event()} == set(get_args(AnyEvent))
    assert not isinstance(unknown_event(), get_args(AnyEvent))
    assert len({event.id for event in odd_events() if isinstance(event, Uplink)}) == 9


def test_a_bench_may_leave_out_what_it_cannot_do() -> None:
    bench = SinkBench()
    for what in (bench.break_other_side, bench.refused_event):
        with pytest.raises(pytest.skip.Exception):
            what()
    assert bench.received() is None
