from __future__ import annotations

import pytest

from bssci.model.iso_times import iso_day, iso_milliseconds, iso_seconds, iso_time, iso_whole_seconds


def test_a_time_keeps_its_digits() -> None:
    assert iso_time(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789Z"
    assert iso_seconds(1_700_000_000.25) == "2023-11-14T22:13:20.250000000Z"
    assert iso_milliseconds(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert iso_whole_seconds(1_700_000_000.999) == "2023-11-14T22:13:20Z"
    assert iso_milliseconds(0.0) == "1970-01-01T00:00:00.000Z"
    assert (iso_day(1_700_006_399.9), iso_day(1_700_006_400)) == ("2023-11-14", "2023-11-15")


def test_before_1970_the_fraction_counts_forward() -> None:
    assert iso_time(-1) == "1969-12-31T23:59:59.999999999Z"
    assert iso_milliseconds(-0.25) == "1969-12-31T23:59:59.750Z"


@pytest.mark.parametrize("at", [1e30, -1e30, float("inf"), float("nan")])
def test_beyond_all_calendars_it_is_empty(at: float) -> None:
    assert iso_milliseconds(at) == iso_seconds(at) == iso_whole_seconds(at) == ""
