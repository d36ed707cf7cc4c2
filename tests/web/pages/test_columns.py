from __future__ import annotations

from bssci.web.pages.columns import MAX_COLUMNS, columns_of, in_short
from bssci.web.reports.readings import LastValue, Latest


def latest(*names: str) -> Latest:
    return Latest(values=tuple(LastValue(name, 1.0, None, 0.0) for name in names))


def test_what_the_sensors_measure_is_offered_and_each_link_turns_one_column_round() -> None:
    told = columns_of([latest("volume", "flow"), latest("temperature"), Latest()], "volume")
    assert told["chosen"] == ["volume"]
    assert told["columns"] == [
        ("volume", True, "-"),
        ("flow", False, "volume,flow"),
        ("temperature", False, "volume,temperature"),
    ]


def test_columns_are_bounded_and_one_that_nobody_measures_can_be_taken_away() -> None:
    told = columns_of([], ",".join(f"n{number}" for number in range(50)))
    assert len(told["chosen"]) == MAX_COLUMNS and told["columns"][0][:2] == ("n0", True)
    assert columns_of([latest("a")], "")["columns"] == [("a", False, "a")]


def test_in_short_a_leak_comes_first_then_what_is_measured() -> None:
    values = [
        LastValue("tamper", False, None, 0.0),
        LastValue("battery", 90, "%", 0.0),
        LastValue("temperature", 14, "°C", 0.0),
        LastValue("leak", True, None, 0.0),
    ]
    assert [value.name for value in in_short(values)] == ["leak", "temperature"]
    assert [value.name for value in in_short(values[:2])] == ["battery", "tamper"]
