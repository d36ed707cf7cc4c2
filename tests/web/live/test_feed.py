from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.model import AnyEvent
from bssci.web.live import feed as feed_module
from bssci.web.live.feed import PACE, RETRY, Feed, Watching
from tests.support.journal import online
from tests.support.log_lines import log_lines
from tests.support.web import WebHouse

__all__ = ["log_lines"]


class Seen:
    """What a watcher was shown."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.unseen = 0

    def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
        self.numbers += [number for number, _ in numbered]

    def skipped(self, count: int) -> None:
        self.unseen += count


def watching(web: WebHouse) -> tuple[Feed, Seen]:
    seen = Seen()
    feed = Feed(web.clock, web.journal, Watching(web.clock, seen))
    feed.start()
    return feed, seen


def test_events_are_shown_once_in_their_order(web: WebHouse) -> None:
    feed, seen = watching(web)
    first = web.happen(online(), online())
    assert seen.numbers == []
    web.advance(PACE)
    assert seen.numbers == [first, first + 1]
    web.happen(online())
    web.advance(PACE)
    assert seen.numbers == [first, first + 1, first + 2]
    feed.stop()


def test_who_is_far_behind_goes_on_with_the_newest(
    make_web_house: Callable[..., WebHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BATCH", 2)
    monkeypatch.setattr(feed_module, "MAX_BEHIND", 5)
    web = make_web_house()
    feed, seen = watching(web)
    first = web.happen(*[online() for _ in range(9)])
    for _ in range(5):
        web.advance(PACE)
    assert seen.unseen == 7
    assert seen.numbers == [first + 7, first + 8]
    feed.stop()


def test_nothing_is_shown_after_the_end(web: WebHouse) -> None:
    feed, seen = watching(web)
    web.happen(online())
    feed.stop()
    web.advance(PACE)
    assert seen.numbers == []


def test_what_cannot_be_taken_is_passed_over_and_told(web: WebHouse, expected_errors: list[Failure]) -> None:
    class Failing(Seen):
        def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
            if not self.unseen:
                raise ValueError("not this one")
            super().events(numbered)

    seen = Failing()
    feed = Feed(web.clock, web.journal, Watching(web.clock, seen))
    feed.start()
    first = web.happen(online())
    web.advance(PACE)
    web.happen(online())
    web.advance(PACE)
    assert (seen.unseen, seen.numbers) == (1, [first + 1])
    feed.stop()
    assert [failure.check(ValueError) for failure in expected_errors] == [ValueError]
    expected_errors.clear()


def test_handling_that_takes_long_lets_others_in_between(web: WebHouse) -> None:
    class Slow(Seen):
        def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
            super().events(numbered)
            web.clock.rightNow += 2 * feed_module.SLICE
            web.clock.callLater(0, lambda: others.append(len(self.numbers)))

    seen = Slow()
    others: list[int] = []
    feed = Feed(web.clock, web.journal, Watching(web.clock, seen))
    feed.start()
    web.happen(*[online() for _ in range(3 * feed_module.FEW)])
    web.advance(PACE)
    web.advance(0)
    assert others == [feed_module.FEW, 2 * feed_module.FEW, 3 * feed_module.FEW]
    feed.stop()


class Unreadable:
    """Events of a journal whose file is gone."""

    last_seq = 1

    def __init__(self) -> None:
        self.asked = 0
        self.stored: Callable[[], None] = lambda: None

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.stored = callback
        return lambda: None

    def read(self, after: int, limit: int) -> Deferred[list[tuple[int, AnyEvent]]]:
        self.asked += 1
        return fail(StorageError("gone")) if self.asked < 4 else succeed([(2, online())])


def test_a_journal_that_cannot_be_read_is_asked_now_and_then_and_reported_once(
    log_lines: list[str],
) -> None:
    clock, seen, events = Clock(), Seen(), Unreadable()
    journal: Any = SimpleNamespace(events=events)
    feed = Feed(clock, journal, Watching(clock, seen))
    feed.start()
    events.last_seq = 2
    events.stored()
    for _ in range(100):
        clock.advance(PACE)
        events.stored()
    assert events.asked == 2
    assert log_lines == ["events not read, tried again every 5.0 s gone"]
    clock.advance(2 * RETRY)
    clock.advance(RETRY)
    assert seen.numbers == [2]
    feed.stop()
    assert not clock.getDelayedCalls()
