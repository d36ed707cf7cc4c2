from __future__ import annotations

import pytest

from bssci.web.reports.ranges import MAX_POINTS, RANGES, thinned


@pytest.mark.parametrize("count", [0, 1, MAX_POINTS, MAX_POINTS + 1, 3000])
def test_a_chart_has_no_more_points_than_it_can_show_and_the_last_one(count: int) -> None:
    points = [[float(each), 0.0] for each in range(count)]
    shown = thinned(points)
    assert len(shown) <= MAX_POINTS
    assert shown[-1:] == points[-1:]
    assert len(shown) == count or len(shown) > MAX_POINTS / 2
    assert shown == sorted(shown)


def test_every_range_has_a_number_of_steps_that_can_be_shown() -> None:
    assert all(each.seconds / each.step <= MAX_POINTS for each in RANGES.values())
