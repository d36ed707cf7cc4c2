"""Counts with their nouns."""

from __future__ import annotations

import pytest

from bssci.model.counts import many


@pytest.mark.parametrize(("count", "text"), [(0, "0 sensors"), (1, "1 sensor"), (2, "2 sensors")])
def test_one_is_singular(count: int, text: str) -> None:
    assert many(count, "sensor") == text


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [many(count, "entry is", "entries are") for count in (1, 2)] == ["1 entry is", "2 entries are"]
