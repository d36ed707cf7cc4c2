"""Time in which no sensor could be heard is not counted."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from bssci.center.silence import listening
from bssci.center.silence.listening import Listening
from bssci.center.write_behind import INTERVAL
from bssci.model import EUI
from tests.center.silence.watch import station_state
from tests.support.center import EPOCH
from tests.support.inline_journal import InlineJournal

OTHER_STATION = EUI("CAFE000000000002")


class Desk:
    """A :class:`Listening` that can crash and come back."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.ahead = 0.0
        self.open()

    def open(self) -> None:
        self.journal = InlineJournal(self.directory / "data")
        self.listening = Listening(self.clock, self.journal, self.journal.kept(), self.now)
        self.listening.start()

    def now(self) -> float:
        return EPOCH + self.ahead + self.clock.seconds()

    def advance(self, seconds: float) -> None:
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(min(10.0, end - self.clock.seconds()))
            self.journal.commit()

    def connect(self, *station: EUI) -> None:
        self.listening.station_changed(station_state(True, *station))
        self.journal.commit()

    def lose(self, *station: EUI) -> None:
        self.listening.station_changed(station_state(False, *station))
        self.journal.commit()

    def kill(self) -> None:
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.journal.cut()

    def since(self, at: float) -> float:
        return self.listening.total() - self.listening.until(at)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.listening.stop()
    desk.journal.close()


def test_nothing_counts_before_the_first_station(desk: Desk) -> None:
    desk.advance(100)
    assert not desk.listening.is_listening
    assert desk.since(EPOCH) == 0.0


def test_time_counts_while_a_station_is_connected(desk: Desk) -> None:
    desk.connect()
    desk.advance(100)
    assert desk.listening.is_listening
    assert desk.since(EPOCH) == 100.0
    assert desk.since(EPOCH + 30) == 70.0
    desk.lose()
    desk.advance(1000)
    assert desk.since(EPOCH) == 100.0
    desk.connect()
    desk.advance(5)
    assert desk.since(EPOCH) == 105.0
    assert desk.since(EPOCH + 30) == 75.0
    assert desk.since(EPOCH + 500) == 5.0
    assert desk.since(EPOCH + 1103) == 2.0


def test_latest_time_by_which_no_more_had_been_listened(desk: Desk) -> None:
    for _ in range(3):
        desk.advance(50)
        desk.connect()
        desk.advance(100)
        desk.lose()
    for total, latest in ((0, 50), (99, 149), (100, 200), (150, 250), (200, 350), (299, 449)):
        assert desk.listening.latest(total) == EPOCH + latest
        assert desk.listening.until(EPOCH + latest) == total < desk.listening.until(EPOCH + latest + 1)
    assert desk.listening.latest(-1) == -inf


def test_latest_time_before_anything_was_listened(desk: Desk) -> None:
    assert desk.listening.latest(-1) == -inf


def test_one_station_of_several_is_enough(desk: Desk) -> None:
    desk.connect()
    desk.connect(OTHER_STATION)
    desk.connect(OTHER_STATION)
    desk.lose(OTHER_STATION)
    desk.advance(50)
    assert desk.since(EPOCH) == 50.0
    desk.lose()
    desk.advance(50)
    assert desk.since(EPOCH) == 50.0


def test_killed_service_listened_until_its_last_mark(desk: Desk) -> None:
    desk.connect()
    desk.advance(100)
    desk.kill()
    desk.clock.advance(50_000)
    desk.open()
    desk.advance(600)
    assert desk.since(EPOCH) == pytest.approx(100.0, abs=INTERVAL)
    before = desk.since(EPOCH)
    desk.connect()
    desk.advance(7)
    assert desk.since(EPOCH) == before + 7.0


def test_stopped_service_listened_until_it_stopped(desk: Desk) -> None:
    desk.connect()
    desk.advance(25)
    desk.listening.stop()
    desk.journal.close()
    desk.clock.advance(50_000)
    desk.open()
    assert desk.since(EPOCH) == 25.0


def test_mark_that_cannot_be_stored_is_stored_later(desk: Desk) -> None:
    desk.connect()
    desk.journal.broken = True
    desk.advance(20)
    desk.lose()
    desk.advance(100)
    desk.journal.broken = False
    desk.advance(40)
    desk.kill()
    desk.open()
    [kept] = desk.journal.kept().listening.values()
    assert (kept.began_at, kept.ended_at) == (EPOCH, EPOCH + 20)


@pytest.mark.parametrize("years", [1, 50])
def test_clock_that_is_set_forth_makes_no_listening_time(desk: Desk, years: int) -> None:
    desk.connect()
    desk.advance(100)
    desk.ahead = years * 365 * 86400.0
    assert desk.since(EPOCH) == 100.0
    desk.advance(100)
    assert desk.since(EPOCH) == 200.0
    assert desk.since(desk.now() - 30) == 30.0


def test_clock_that_is_set_back_leaves_a_sane_past(desk: Desk) -> None:
    desk.connect()
    desk.advance(100)
    desk.lose()
    desk.advance(900)
    for _ in range(2):
        desk.connect()
        desk.lose()
        desk.advance(10)
    desk.advance(80)
    desk.connect()
    desk.advance(100)
    desk.ahead = -1150.0
    assert desk.since(EPOCH) == 50.0
    desk.advance(40)
    assert desk.since(EPOCH) == 90.0
    assert desk.since(EPOCH + 1000) < 0.0
    desk.kill()
    desk.open()
    assert desk.since(EPOCH) == pytest.approx(90.0, abs=INTERVAL)
    assert len(desk.journal.kept().listening) == 2


def test_clock_that_was_behind_at_the_start(desk: Desk) -> None:
    desk.connect()
    desk.advance(100)
    desk.kill()
    desk.ahead = -EPOCH
    desk.open()
    desk.connect()
    desk.advance(20)
    desk.ahead = 1000.0
    desk.advance(20)
    assert 0.0 <= desk.since(EPOCH) <= 140.0


def test_small_steps_of_the_clock_are_nothing_special(desk: Desk) -> None:
    desk.connect()
    desk.advance(100)
    desk.ahead = 2.0
    desk.advance(100)
    assert desk.since(EPOCH) == 202.0
    assert len(desk.journal.kept().listening) == 1


def test_intervals_are_bounded_and_lose_no_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_INTERVALS", 5)
    for _ in range(20):
        desk.connect()
        desk.clock.advance(3)
        desk.lose()
        desk.clock.advance(4)
    assert desk.since(EPOCH - 1e9) == 60.0
    assert desk.since(desk.now() - 4 * 7) == 12.0
    stored = desk.journal.kept().listening
    assert len(stored) == 5
    oldest = next(iter(stored.values())).began_at
    assert desk.since(oldest) == 60.0
    desk.kill()
    desk.open()
    desk.connect()
    desk.advance(10)
    desk.lose()
    desk.kill()
    desk.open()
    assert desk.since(EPOCH - 1e9) == 70.0
    assert desk.since(desk.now() - 10 - 4 * 7) == 22.0
