"""A source brings so many a second, and fills so much of the journal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from bssci.center.telegrams import bounds
from bssci.center.telegrams.bounds import JournalShare, RateLimit, TelegramRate


def test_what_comes_faster_waits() -> None:
    clock = Clock()
    limit = RateLimit(clock, 10)
    limit.take(9)
    assert limit.delay() == 0
    limit.take(6)
    assert limit.delay() == pytest.approx(0.6)
    clock.advance(0.61)
    assert limit.delay() == 0


def test_a_long_pause_saves_up_no_more_than_one_second() -> None:
    clock = Clock()
    limit = RateLimit(clock, 10)
    clock.advance(1000)
    limit.delay()
    limit.take(10)
    assert limit.delay() > 0


class Site:
    def __init__(self) -> None:
        self.clock = Clock()
        self.fullness = 0.1
        self.delivered = 0
        journal = SimpleNamespace(usage=lambda: SimpleNamespace(max_size=1000, share=self.fullness))
        self.share = JournalShare(self.clock, journal, 0.25, lambda: self.delivered)


def test_no_more_than_its_share_waits_for_the_sinks() -> None:
    site = Site()
    site.share.add(5, 200)
    assert site.share.excess() == ""
    site.share.add(6, 60)
    assert "260 bytes wait for the sinks, of 250" in site.share.excess()
    site.delivered = 5
    assert site.share.excess() == "" and site.share.bytes == 60


def test_a_sink_that_is_away_for_long_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BATCHES", 3)
    site = Site()
    for seq in range(1, 11):
        site.share.add(seq, 10)
    assert len(site.share._waiting) == 3 and site.share.bytes == 100
    site.delivered = 2
    assert site.share.bytes == 80
    site.delivered = 9
    assert site.share.bytes == 80
    site.delivered = 10
    assert site.share.bytes == 0


def test_the_last_part_of_the_journal_is_the_base_stations() -> None:
    site = Site()
    assert site.share.excess() == ""
    site.fullness = 0.8
    site.clock.advance(1)
    assert "the rest is for base stations" in site.share.excess()


def test_the_rate_is_that_of_the_last_minute() -> None:
    clock = Clock()
    rate = TelegramRate(clock)
    for _ in range(100):
        clock.advance(1)
        rate.add(5)
    assert rate.value() == pytest.approx(5, abs=0.2)
    clock.advance(200)
    assert rate.value() == 0
