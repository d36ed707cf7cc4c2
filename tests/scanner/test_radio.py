from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from bssci.scanner.advertisement import HeardAdvertisement
from bssci.scanner.radio import LOOK, SILENCE, PassiveRefused, Radio
from tests.scanner.test_advertisement import advertisement


class Scan:
    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)


class Fixture:
    def __init__(self, mode: Literal["auto", "passive", "active"] = "auto") -> None:
        self.clock = Clock()
        self.began: list[bool] = []
        self.failures: list[Exception] = []
        self.scans: list[Scan] = []
        self.heard: list[HeardAdvertisement] = []
        self.say: Callable[[HeardAdvertisement], None] = lambda advertisement: None
        self.radio = Radio(self.clock, self._start, self.heard.append, mode)
        self.radio.start()

    def _start(self, passive: bool, heard: Callable[[HeardAdvertisement], None]) -> Deferred[Any]:
        self.began.append(passive)
        self.say = heard
        if self.failures:
            return fail(self.failures.pop(0))
        self.scans.append(Scan())
        return succeed(self.scans[-1])


def test_what_is_heard_is_passed_on() -> None:
    it = Fixture()
    it.say(advertisement())
    assert it.heard == [advertisement()]
    assert (it.radio.state, it.radio.received, it.began) == ("scanning", 1, [True])


def test_where_passive_is_refused_it_is_active_from_then_on() -> None:
    it = Fixture()
    it.radio.stop()
    it.failures.append(PassiveRefused("no"))
    it.radio.start()
    assert it.began[1:] == [True, False]
    assert not it.radio.is_passive
    assert it.radio.state == "scanning"


def test_who_wants_passive_alone_hears_why_not() -> None:
    it = Fixture("passive")
    it.radio.stop()
    it.failures += [PassiveRefused("too old")] * 2
    it.radio.start()
    assert (it.radio.state, it.radio.trouble) == ("error", "too old")
    it.clock.advance(5.0)
    assert it.began == [True] * 3
    it.clock.advance(10.0)
    assert it.radio.state == "scanning"


def test_failures_are_retried_later_and_later() -> None:
    it = Fixture()
    it.radio.stop()
    it.failures += [OSError("no adapter")] * 8
    it.radio.start()
    waits = []
    while it.radio.state == "error":
        before, waited = len(it.began), 0
        while len(it.began) == before:
            it.clock.advance(1.0)
            waited += 1
        waits.append(waited)
    assert waits == [5, 10, 15, 20, 25, 30, 30, 30]
    assert it.radio.errors == 8
    assert it.radio.trouble == ""


def test_a_silent_scan_is_begun_anew() -> None:
    it = Fixture()
    it.say(advertisement())
    it.clock.pump([LOOK] * int(SILENCE / LOOK))
    assert it.scans[0].stopped
    assert len(it.scans) == 2


def test_one_that_hears_is_left_alone() -> None:
    it = Fixture()
    for _ in range(40):
        it.say(advertisement())
        it.clock.advance(LOOK)
    assert len(it.scans) == 1


def test_a_pause_hears_nothing_and_ends() -> None:
    it = Fixture()
    it.radio.stop()
    assert it.scans[0].stopped and it.radio.state == "stopped"
    it.say(advertisement())
    assert it.heard == []
    it.radio.start()
    it.say(advertisement())
    assert len(it.heard) == 1


def test_a_start_under_way_does_not_outlive_a_pause() -> None:
    clock, started = Clock(), Deferred[Any]()
    radio = Radio(clock, lambda passive, heard: started, lambda advertisement: None, "auto")
    radio.start()
    radio.stop()
    assert radio.state == "stopped"
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("mode", ["active"])
def test_active_asks_for_nothing_else(mode: Literal["active"]) -> None:
    assert Fixture(mode).began == [False]
