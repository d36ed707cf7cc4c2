from __future__ import annotations

import math

import pytest

from bssci.decoders.bluetooth.measured import MeasuredValues
from bssci.model import Reading


def test_a_name_that_is_there_already_gets_a_number() -> None:
    measured = MeasuredValues()
    for value in (20.5, 21.5):
        measured.add("temperature", value, "°C")
    assert measured.readings == [Reading("temperature", 20.5, "°C"), Reading("temperature_2", 21.5, "°C")]


@pytest.mark.parametrize("value", [-200.1, 200.1, math.nan, "warm"])
def test_a_value_out_of_range_is_no_reading(value: float | str) -> None:
    measured = MeasuredValues()
    measured.add("temperature", value)
    assert measured.readings == []


def test_the_distance_is_that_of_free_space() -> None:
    measured = MeasuredValues()
    measured.distance(-79, -59)
    assert measured.readings == [Reading("reference_rssi", -59, "dBm"), Reading("distance", 10.0, "m")]


def test_without_a_signal_there_is_no_distance() -> None:
    measured = MeasuredValues()
    measured.distance(None, -59)
    assert [each.name for each in measured.readings] == ["reference_rssi"]
