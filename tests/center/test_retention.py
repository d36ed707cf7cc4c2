"""The journal forgets what is old, and says ahead when it will be full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from bssci.center.retention import INTERVAL, LOOK_INTERVAL, Retention, full_in
from bssci.journal import Usage
from bssci.system.utc import DAY

GIGABYTE = 1 << 30


class Bench:
    """A journal that fills as the test says."""

    def __init__(self, last_event_at: float = 0.0, ahead: float = 0.0) -> None:
        self.clock = Clock()
        self.undelivered = 0
        self.trimmed: list[tuple[float, int]] = []
        once = iter([1, 0])
        journal: Any = SimpleNamespace(
            events=SimpleNamespace(trim=self._trim),
            downlinks=SimpleNamespace(trim=lambda before_at: succeed(next(once, 0))),
            requests=SimpleNamespace(trim=lambda before_at: succeed(0)),
            usage=lambda: Usage(
                size=GIGABYTE, max_size=10 * GIGABYTE, undelivered=self.undelivered, unreadable=0
            ),
        )
        self.ahead = ahead
        self.retention = Retention(
            self.clock,
            journal,
            days=2.0,
            now=lambda: self.clock.seconds() + self.ahead,
            delivered=lambda: 7,
            last_event_at=last_event_at,
        )

    def _trim(self, before_at: float, delivered_seq: int) -> Deferred[int]:
        self.trimmed.append((before_at, delivered_seq))
        return succeed(3)


@pytest.fixture
def bench():
    bench = Bench()
    bench.clock.advance(3 * DAY)
    bench.retention.start()
    yield bench
    bench.retention.stop()


def test_what_is_old_and_delivered_goes_now_and_then(bench: Bench) -> None:
    bench.clock.advance(INTERVAL)
    assert bench.trimmed[-1] == (DAY + INTERVAL, 7)


def test_a_clock_that_is_far_beyond_the_last_event_at_the_start_is_doubted_for_an_hour() -> None:
    years = 3000 * DAY
    bench = Bench(last_event_at=10 * DAY, ahead=years)
    bench.retention.start()
    bench.clock.pump([INTERVAL] * 3)
    assert bench.trimmed[-1][0] == pytest.approx(8 * DAY + 3 * INTERVAL)
    bench.ahead = 11 * DAY - bench.clock.seconds()  # by NTP
    bench.clock.pump([INTERVAL] * 5)
    assert bench.trimmed[-1][0] < 9 * DAY
    bench.clock.pump([INTERVAL] * 4)
    assert bench.trimmed[-1][0] > 9 * DAY
    bench.retention.stop()


def test_a_clock_that_fits_the_last_event_is_believed_at_once() -> None:
    bench = Bench(last_event_at=10 * DAY, ahead=10.5 * DAY)
    bench.retention.start()
    bench.clock.advance(INTERVAL)
    assert bench.trimmed[-1][0] == 8.5 * DAY + INTERVAL
    bench.retention.stop()


def test_a_clock_that_was_set_is_doubted_for_an_hour(bench: Bench) -> None:
    bench.ahead = 365 * DAY
    bench.clock.pump([INTERVAL] * 3)
    assert bench.trimmed[-1][0] == DAY + 3 * INTERVAL
    bench.ahead = 0.0
    bench.clock.pump([INTERVAL] * 2)
    bench.ahead = 10 * DAY
    bench.clock.pump([INTERVAL] * 6)
    assert bench.trimmed[-1][0] == DAY + 11 * INTERVAL
    bench.clock.pump([INTERVAL] * 2)
    assert bench.trimmed[-1][0] == 11 * DAY + 13 * INTERVAL


def test_a_journal_that_does_not_fill_has_no_end(bench: Bench) -> None:
    assert bench.retention.days_left() is None
    bench.clock.pump([INTERVAL] * 5)
    assert bench.retention.days_left() is None


def test_the_days_until_it_is_full_follow_from_how_it_grew(bench: Bench) -> None:
    for _ in range(6):
        bench.clock.advance(INTERVAL)
        bench.undelivered += GIGABYTE // 144
    # A gigabyte a day, with little in it yet.
    assert bench.retention.days_left() == pytest.approx(10, abs=2)


def test_a_clock_that_was_set_does_not_change_the_forecast(bench: Bench) -> None:
    bench.ahead = 30 * DAY
    for _ in range(9):
        bench.clock.advance(INTERVAL)
        bench.undelivered += GIGABYTE // 144
    assert bench.trimmed[-1][0] > 30 * DAY  # it is believed now
    assert bench.retention.days_left() == pytest.approx(10, abs=2)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (None, ""),
        (0.001, ", full in 1 h"),
        (0.5, ", full in 12 h"),
        (2.54, ", full in 2.5 days"),
        (31.6, ", full in 32 days"),
    ],
)
def test_the_forecast_in_words(days: float | None, words: str) -> None:
    assert full_in(days) == words


@pytest.mark.parametrize(("filled", "warned"), [(7.9, False), (8.1, True)])
def test_it_warns_within_a_minute_from_80_percent_on(bench: Bench, filled: float, warned: bool) -> None:
    texts: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] is LogLevel.warn:
            texts.append(event["log_format"].format(**event))

    bench.undelivered = int(filled * GIGABYTE)
    globalLogPublisher.addObserver(observe)
    try:
        bench.clock.pump([LOOK_INTERVAL] * 9)
        assert sum("81 % full of undelivered events, full in" in text for text in texts) == warned
        bench.clock.pump([LOOK_INTERVAL] * 3)
        assert len(texts) == 2 * warned
    finally:
        globalLogPublisher.removeObserver(observe)
