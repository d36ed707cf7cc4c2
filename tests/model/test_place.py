from __future__ import annotations

import pytest

from bssci.model.place import place_fault


@pytest.mark.parametrize(
    "place",
    [None, {}, "roof", {"text": "roof"}, {"lat": 0, "lon": 0}, {"lat": 1.5, "lon": 2.5, "text": "roof"}],
)
def test_a_place_has_both_coordinates_or_none(place: object) -> None:
    assert place_fault(place) == ""


@pytest.mark.parametrize(
    ("place", "missing"),
    [({"lat": 0}, "lon"), ({"lon": 11.5, "text": "roof"}, "lat"), ({"lat": 1, "lon": None}, "lon")],
)
def test_a_missing_coordinate_is_named(place: object, missing: str) -> None:
    assert place_fault(place) == f"{missing} is missing: enter both lat and lon, or neither"
    assert place_fault(place, {"lat": 2}) != ""


def test_what_is_kept_already_may_stay() -> None:
    assert place_fault({"lat": 48.1}, {"lat": 48.1}) == ""
