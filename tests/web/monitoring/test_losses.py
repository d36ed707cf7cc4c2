"""Counters that are missing, and those that only came late."""

from __future__ import annotations

import pytest

from bssci.web.monitoring.losses import losses


@pytest.mark.parametrize(
    ("counters", "missing"),
    [
        ([], []),
        ([7], [0]),
        ([1, 2, 3], [0, 0, 0]),
        ([1, 2, 5, 3, 6], [0, 0, 1, 0, 0]),
        ([10, 14, 11, 12, 13], [0, 0, 0, 0, 0]),
        ([10, 14, 12], [0, 1, 1]),
        ([1, 5000, 5002], [0, 0, 1]),
        ([1, 1000], [0, 998]),
        ([1, 1001, 2002], [0, 999, 0]),
    ],
)
def test_what_is_missing_before_each(counters: list[int], missing: list[int]) -> None:
    assert losses(counters) == missing


@pytest.mark.parametrize(
    ("counters", "missing"),
    [
        ([50, 52, 0, 1, 3], [0, 1, 0, 0, 1]),
        ([50, 52, 0, 1, 51], [0, 0, 0, 0, 0]),
        ([100, 101, 103, 0, 1, 102], [0, 0, 0, 0, 0, 0]),
        ([2, 3, 0, 1, 2, 3, 5], [0, 0, 0, 0, 0, 0, 1]),
        ([199, 200, 2, 3, 198, 5], [0, 0, 0, 0, 0, 1]),
        ([2000, 4], [0, 0]),
    ],
)
def test_a_sensor_that_began_anew_lost_nothing(counters: list[int], missing: list[int]) -> None:
    assert losses(counters) == missing


@pytest.mark.parametrize(
    ("counters", "missing"),
    [
        ([5, 4, 6], [0, 0, 0]),
        ([5, 6, 5, 7], [0, 0, 0, 0]),
        ([9, 5, 4, 10], [0, 0, 0, 0]),
        ([0, 1, 0, 2], [0, 0, 0, 0]),
    ],
)
def test_what_may_be_late_or_a_new_beginning_is_no_loss(counters: list[int], missing: list[int]) -> None:
    assert losses(counters) == missing


def test_a_sensor_that_never_counts_on_is_looked_through_in_no_time() -> None:
    for counters in ([7] * 2000, list(range(2000, 0, -1))):
        assert losses(counters) == [0] * 2000
