"""Counters that are missing, and those that only came late."""

from __future__ import annotations

import pytest

from bssci.web.losses import Heard, losses


@pytest.mark.parametrize(
    ("counters", "missing"),
    [
        ([], []),
        ([7], [0]),
        ([1, 2, 3], [0, 0, 0]),
        ([1, 2, 5, 3, 6], [0, 0, 1, 0, 0]),
        ([10, 14, 11, 12, 13], [0, 0, 0, 0, 0]),
        ([10, 14, 12], [0, 1, 1]),
        ([50, 52, 0, 1, 3], [0, 1, 0, 0, 1]),
        ([0, 1, 0, 2], [0, 0, 0, 1]),
        ([1, 5000, 5002], [0, 0, 1]),
        ([1, 1000], [0, 998]),
    ],
)
def test_what_is_missing_before_each(counters: list[int], missing: list[int]) -> None:
    assert losses([Heard(counter, at) for at, counter in enumerate(counters)]) == missing


@pytest.mark.parametrize(
    ("heard", "missing"),
    [
        ([(5, 50), (4, 40), (6, 60)], [0, 0, 0]),
        ([(9, 90), (5, 50), (4, 40), (7, 70), (10, 100)], [1, 0, 0, 1, 0]),
        ([(5, 50), (4, 60), (6, 70)], [0, 0, 1]),
        ([(2000, 50), (4, 40)], [0, 0]),
    ],
)
def test_an_older_one_that_comes_late_is_no_new_beginning(
    heard: list[tuple[int, float]], missing: list[int]
) -> None:
    assert losses([Heard(*each) for each in heard]) == missing
