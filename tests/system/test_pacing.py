from __future__ import annotations

from twisted.internet.task import Clock

from bssci.system.pacing import Pace


def test_the_first_is_due_and_then_one_in_some_seconds() -> None:
    clock = Clock()
    pace = Pace(clock.seconds, interval=10.0)
    due = []
    for _ in range(250):
        due.append(pace.is_due())
        clock.advance(0.125)
    assert [number for number, is_due in enumerate(due) if is_due] == [0, 80, 160, 240]


def test_after_a_long_silence_it_is_due_at_once() -> None:
    clock = Clock()
    pace = Pace(clock.seconds)
    assert pace.is_due()
    clock.advance(1000.0)
    assert (pace.is_due(), pace.is_due()) == (True, False)
