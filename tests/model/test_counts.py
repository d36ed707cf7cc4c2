"""Counts with their nouns."""

from __future__ import annotations

import pytest

from bssci.model.counts import grouped, many


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 sensors"), (1, "1 sensor"), (2, "2 sensors"), (4667, "4\u202f667 sensors")]
)
def test_one_is_singular(count: int, text: str) -> None:
    assert many(count, "sensor") == text


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [many(count, "entry is", "entries are") for count in (1, 2)] == ["1 entry is", "2 entries are"]


def test_numbers_are_in_groups_of_three_digits_before_the_point_and_never_minus_zero() -> None:
    written = [grouped(value, 4) for value in (1234567.12345, -0.00001)]
    assert written == ["1\u202f234\u202f567.1235", "0.0000"]
