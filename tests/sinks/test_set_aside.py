"""What a sink passes over is counted, and logged now and then."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from bssci.sinks import SetAside
from bssci.sinks.set_aside import LONGEST_STREAK, RefusalStreak
from tests.support.journal import uplink


def test_it_counts_and_keeps_the_last_reason_in_one_line() -> None:
    set_aside = SetAside("sample")
    assert (set_aside.count, set_aside.last_reason) == (0, "")
    set_aside.add(uplink(), "first")
    set_aside.add(uplink(), "second\n  line " + "x" * 1000)
    assert set_aside.count == 2
    assert set_aside.last_reason.startswith("second line xxx") and len(set_aside.last_reason) == 300


def test_the_first_and_every_hundredth_are_logged() -> None:
    lines: list[int] = []

    def observe(event: dict[str, object]) -> None:
        lines.append(event["count"])

    set_aside = SetAside("sample")
    globalLogPublisher.addObserver(observe)
    try:
        for _ in range(201):
            set_aside.add(uplink(), "no")
    finally:
        globalLogPublisher.removeObserver(observe)
    assert lines == [1, 101, 201]


def test_who_refuses_everything_is_at_fault() -> None:
    streak = RefusalStreak()
    for _ in range(3):
        assert not streak.excuses(range(LONGEST_STREAK + 1))
    for _ in range(LONGEST_STREAK):
        assert streak.excuses(["a"])
    assert not streak.excuses(["b"])
    assert not streak.excuses(["b"])
    assert streak.excuses([None])
    assert streak.excuses(["c"])


@pytest.mark.parametrize("outcomes", [[*range(20), None], [None, *range(20)], [None, *range(20), None]])
def test_many_refused_in_a_row_beside_others_are_at_fault_if_refused_again(outcomes: list[Any]) -> None:
    """The receiver may have begun, or ceased, to refuse everything in the middle of the batch."""
    streak = RefusalStreak()
    assert not streak.excuses(outcomes)
    assert streak.excuses(outcomes)


def test_batches_beside_one_that_comes_again_do_not_change_what_it_waits_for() -> None:
    streak = RefusalStreak()
    first, second = [None, *range(20)], [None, *range(20, 40)]
    assert not streak.excuses(first)
    assert not streak.excuses(second)
    assert streak.excuses(first)
    assert streak.excuses(second)


def test_few_refused_beside_others_are_at_fault() -> None:
    streak = RefusalStreak()
    assert streak.excuses([*range(LONGEST_STREAK), None, *range(LONGEST_STREAK)])


def test_suspects_are_bounded() -> None:
    streak = RefusalStreak()
    for number in range(100):
        assert not streak.excuses([None, *range(500 * number, 500 * number + 500)])
    assert not streak.excuses([None, *range(500)])
