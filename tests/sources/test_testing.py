"""The kit for sources finds what is wrong with one."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from bssci.model import Telegram
from bssci.sources import ISource
from bssci.sources.testing import SourceBench, SourceConformance

FAULTS = {
    "confirms at once": "test_the_other_side_is_told_when_it_is_on_disk_and_not_before",
    "forgets what is refused": "test_what_is_refused_is_offered_again_and_not_confirmed",
    "draws ids": "test_what_comes_again_has_the_same_id",
    "one id for all": "test_every_message_is_another_telegram_in_its_order",
    "dies of nonsense": "test_nonsense_costs_itself_and_is_counted",
    "counts no nonsense": "test_nonsense_costs_itself_and_is_counted",
    "wrong name": "test_a_message_is_a_telegram",
    "text as payload": "test_a_message_is_a_telegram",
    "space in an id": "test_a_message_is_a_telegram",
    "leaves a timer": "test_it_leaves_no_timer_behind",
    "tells a secret": "test_no_secret_is_told",
    "never stops": "test_it_starts_and_stops_with_nothing_sent",
}


@implementer(ISource)
class Memory:
    """Brings numbers from a list; with one fault, or none."""

    trouble = ""

    def __init__(self, bench: MemoryBench, fault: str) -> None:
        self._bench = bench
        self._fault = fault
        self._drawn = itertools.count()
        self.running = False
        self.busy = False

    def __repr__(self) -> str:
        return "Memory(s3cret)" if self._fault == "tells a secret" else "Memory"

    def start(self, ingest: Any) -> None:
        self.running = True
        self._ingest = ingest

    def stop(self) -> Deferred[None]:
        self.running = False
        if self._fault == "leaves a timer":
            self._bench.clock.callLater(9, lambda: None)
        return Deferred() if self._fault == "never stops" else succeed(None)

    def look(self) -> None:
        if not self.running or self.busy or not self._bench.sent:
            return
        number = self._bench.sent[0]
        if number is None:
            if self._fault == "dies of nonsense":
                self.running = False
            if self._fault != "counts no nonsense":
                self._ingest.reject("nonsense")
            self._bench.sent.pop(0)
            return
        self.busy = True
        if self._fault == "confirms at once":
            self._bench.said.add(number)
        self._ingest([self._telegram(number)]).addCallbacks(self._taken, self._refused, (number,))

    def _telegram(self, number: int) -> Telegram:
        ids = {"draws ids": f"{id(self)}-{next(self._drawn)}", "one id for all": "same"}
        return Telegram(
            at=1_700_000_000.0,
            id=ids.get(self._fault, f"number-{number}"),
            device="sample: 1" if self._fault == "space in an id" else "sample:1",
            gateway="memory",
            source="other" if self._fault == "wrong name" else "memory",
            payload="" if self._fault == "text as payload" else b"",  # type: ignore[arg-type]
        )

    def _taken(self, _: object, number: int) -> None:
        self.busy = False
        self._bench.sent.pop(0)
        self._bench.said.add(number)

    def _refused(self, _: object) -> None:
        self.busy = False
        if self._fault == "forgets what is refused":
            self._bench.sent.pop(0)


class MemoryBench(SourceBench):
    name = "memory"
    secrets = ("s3cret",)

    def __init__(self, fault: str = "") -> None:
        self.clock = Clock()
        self.sent: list[int | None] = []
        self.said: set[int] = set()
        self._fault = fault
        self._source: Memory | None = None

    def make_source(self) -> Memory:
        self._source = Memory(self, self._fault)
        return self._source

    def send(self, number: int) -> None:
        self.sent.append(number)

    def send_nonsense(self) -> int:
        self.sent += [None, None]
        return 2

    def confirmed(self) -> Collection[int]:
        return self.said

    def turn(self) -> None:
        if self._source is not None:
            self._source.look()


class TestWhole(SourceConformance):
    """One without a fault passes all."""

    @pytest.fixture
    def bench(self) -> SourceBench:
        return MemoryBench()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.sources.testing.PATIENCE", 0.05)
    with pytest.raises(AssertionError):
        await getattr(SourceConformance(), FAULTS[fault])(MemoryBench(fault))
