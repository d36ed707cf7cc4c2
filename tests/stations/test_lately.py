"""What happened in the last ten minutes."""

from __future__ import annotations

from bssci.stations.lately import MINUTES, Lately


def test_ten_minutes_count_and_no_more_is_kept() -> None:
    lately = Lately()
    for second in range(0, 3600, 30):
        lately.add(second)
    assert lately.count(3599) == 2 * MINUTES
    assert lately.count(3600 + 60) == 2 * MINUTES - 4
    assert lately.count(7200) == 0
    assert len(lately._minutes) <= MINUTES


def test_a_clock_that_is_set_back_leaves_only_what_happens_from_then_on() -> None:
    lately = Lately()
    day = 86400
    for second in range(day, day + 3600, 30):
        lately.add(second)
    assert lately.count(0) == 0
    lately.add(0)
    lately.add(70)
    assert lately.count(70) == 2
    assert lately.count(day + 3600) == 0
