"""bssci.system.watchers: functions that are called whenever something happens."""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from bssci.system.watchers import Watchers


def test_each_watcher_hears_of_everything_until_it_ends_its_watch() -> None:
    watchers = Watchers[[str, int]]("weather")
    heard: list[tuple[object, ...]] = []
    watchers.tell("before anybody watches", 0)
    watchers.add(lambda *what: heard.append(("first", *what)))
    end = watchers.add(lambda *what: heard.append(("second", *what)))
    watchers.tell("rain", 1)
    end()
    watchers.tell("sun", 2)
    end()
    assert heard == [("first", "rain", 1), ("second", "rain", 1), ("first", "sun", 2)]


def test_one_that_fails_keeps_it_from_no_other(expected_errors: list[Failure]) -> None:
    watchers = Watchers[[int]]("weather")
    heard: list[int] = []
    watchers.add(lambda number: 1 // number)
    watchers.add(heard.append)
    watchers.tell(0)
    assert heard == [0]
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()


def test_watches_end_and_begin_while_watchers_are_told() -> None:
    watchers = Watchers[[int]]("weather")
    ends: list[Callable[[], None]] = []
    heard: list[str] = []

    def once(_: int) -> None:
        heard.append("once")
        for end in ends:
            end()
        watchers.add(lambda _: heard.append("new"))

    ends.append(watchers.add(once))
    ends.append(watchers.add(lambda _: heard.append("ended")))
    watchers.add(lambda _: heard.append("last"))
    watchers.tell(1)
    assert heard == ["once", "last"]
    watchers.tell(2)
    assert heard[2:] == ["last", "new"]
