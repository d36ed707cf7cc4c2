"""Entries about base stations, as forms and files bring them."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model.base_station import MAX_UNKNOWN, StationError, parse_station_change, station_faults


def test_what_is_not_named_stays() -> None:
    change = parse_station_change({"eui": "CA-FE-00-00-00-00-00-01", "name": " Roof ", "location": None})
    assert (change.eui, change.name, change.location) == ("CAFE000000000001", "Roof", None)
    assert change.fields == ["name", "location"]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ([], "entry"),
        ({}, "eui"),
        ({"eui": "1"}, "eui"),
        ({"eui": "CAFE000000000001", "colour": 1}, "colour"),
        ({"eui": "CAFE000000000001", "name": "x" * 201}, "name"),
        ({"eui": "CAFE000000000001", "note": 1}, "note"),
        ({"eui": "CAFE000000000001", "tags": "roof"}, "tags"),
        ({"eui": "CAFE000000000001", "tags": [1]}, "tags"),
        ({"eui": "CAFE000000000001", "location": {"lat": 91}}, "location"),
        ({"eui": "CAFE000000000001", "location": "roof"}, "location"),
        ({"eui": "CAFE000000000001", "location": {"lat": 1}}, "location"),
        ({"eui": "CAFE000000000001", "blocked": 1}, "blocked"),
        ({"eui": "CAFE000000000001", "name": "Roof\nSouth"}, "name"),
        ({"eui": "CAFE000000000001", "note": "\0"}, "note"),
        ({"eui": "CAFE000000000001", "tags": ["\x1b"]}, "tags"),
        ({"eui": "CAFE000000000001", "location": {"text": "\t."}}, "location"),
    ],
)
def test_what_is_wrong_is_named(entry: Any, field: str) -> None:
    with pytest.raises(StationError) as wrong:
        parse_station_change(entry)
    assert wrong.value.field == field


def test_all_that_is_wrong_is_named() -> None:
    entry = {"eui": "1", "name": 7, "tags": ["\x1b"], "location": {"lat": 91}, "blocked": 1, "colour": 1}
    assert set(station_faults(entry)) == set(entry)
    assert station_faults({"eui": "CAFE000000000001"}) == {}


def test_of_thousands_of_unknown_fields_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []

    def parse(entry: Any) -> object:
        parsed.append(entry)
        return parse_station_change(entry)

    monkeypatch.setattr("bssci.model.base_station.parse_station_change", parse)
    faults = station_faults({f"field{number}": 1 for number in range(5000)} | {"blocked": 1})
    assert list(faults) == [*(f"field{number}" for number in range(MAX_UNKNOWN)), "eui", "blocked"]
    assert len(parsed) < 5, "each fault is looked for anew among all fields"
