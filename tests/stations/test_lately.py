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
