"""What a change changes, for people."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model.differences import MAX_SHOWN, differences, value_text

SCHOOL = {"lat": 51.0478, "lon": 13.7442, "text": "School"}


def test_what_is_the_same_is_left_out_and_what_may_be_secret_is_only_named() -> None:
    before = {"name": "Cellar", "key": "old", "tags": ["a", "b"], "bidi": False, "note": "", "interval": 60}
    after = {"name": "Attic", "key": "new", "tags": [], "bidi": True, "note": "", "interval": 3600}
    told = differences(before, after, {"name", "tags", "bidi", "note", "interval"})
    assert told == "name: Cellar → Attic; key; tags: a, b → –; bidi: no → yes; interval: 60 s → 3600 s"


def test_a_long_value_leaves_room_for_the_others() -> None:
    told = differences({"note": "x" * 500}, {"note": "y"}, {"note"})
    assert told == f"note: {'x' * (MAX_SHOWN - 1)}… → y"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Climate, Mill Lane 4", "Climate, Mill Lane 4"),
        ('the "old" one', '"the ""old"" one"'),
        ("Cellar; key", '"Cellar; key"'),
        ("Cellar → Attic", '"Cellar → Attic"'),
        (" Cellar", '" Cellar"'),
        ("–", '"–"'),
        (["water", "cellar, left"], 'water, "cellar, left"'),
        ([""], "–"),
        (SCHOOL, "School (51.0478, 13.7442)"),
        ({"lat": 0, "lon": -13.7}, "0, -13.7"),
        ({"text": "School"}, "School"),
        ({"text": "a; b"}, '"a; b"'),
        ({"lat": 51.0}, "lat 51"),
        ({"lat": None, "lon": "13.7", "text": 5}, "lat –, lon 13.7, text 5"),
        ({"lat": 51, "lon": 13, "text": 5}, "5 (51, 13)"),
        (SCHOOL | {"floor": 2}, "lat 51.0478, lon 13.7442, text School, floor 2"),
        ({"a": {"b": [1, True]}}, "a b 1, yes"),
        (None, "–"),
        (0, "0"),
        (False, "no"),
        (1.5, "1.5"),
    ],
)
def test_a_value_is_written_as_people_write_it_and_cannot_be_taken_for_another(value: Any, text: str) -> None:
    assert value_text(value) == text
