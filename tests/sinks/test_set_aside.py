"""What a sink passes over is counted, and logged now and then."""

from __future__ import annotations

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
    assert not streak.excuses(refused=LONGEST_STREAK + 1, taken=0)
    assert streak.excuses(refused=LONGEST_STREAK + 1, taken=1)
    for _ in range(LONGEST_STREAK):
        assert streak.excuses(refused=1, taken=0)
    assert not streak.excuses(refused=1, taken=0)
    assert not streak.excuses(refused=1, taken=0)
    assert streak.excuses(refused=0, taken=1)
    assert streak.excuses(refused=1, taken=0)
