from __future__ import annotations

import pytest

from bssci.decoders.quantities import BY_NAME, QUANTITIES, normalise, rule, rules_for
from bssci.decoders.units import conversion
from bssci.model import Reading
from tests.support.cases import case


@pytest.mark.parametrize(
    ("name", "unit", "value", "expected"),
    [
        ("Temp", "°F", 68, Reading("temperature", 20.0, "°C")),
        ("temperature", "K", 293.15, Reading("temperature", 20.0, "°C")),
        ("temp_2", "°C", 4, Reading("temperature_2", 4, "°C")),
        ("co2_1", "ppm", 400, Reading("co2_1", 400, "ppm")),
        ("delta_t", "°C", 5, Reading("temperature_difference", 5, "K")),
        ("delta_t", "°F", 9, Reading("temperature_difference", 5.0, "K")),
        ("humidity", "%RH", 40, Reading("humidity", 40, "%")),
        ("Pressure", "Pa", 101_325, Reading("pressure", 1013.25, "hPa")),
        ("volume", "l", 123, Reading("volume", 0.123, "m³")),
        ("Energy", "Wh", 1500, Reading("energy", 1.5, "kWh")),
        ("flow rate", "l/min", 10, Reading("flow", 0.6, "m³/h")),
        ("power", "MW", 1, Reading("power", 1_000_000.0, "W")),
        ("Battery", None, 80, Reading("battery", 80, "%")),
        ("batt", "V", 3.6, Reading("battery_voltage", 3.6, "V")),
        ("Battery_Voltage", "mV", 3600, Reading("battery_voltage", 3.6, "V")),
        ("Acc X", "mG", 500, Reading("acceleration_x", 0.5, "g")),
        ("level", "%", 50, Reading("fill_level", 50, "%")),
        ("level", "cm", 50, Reading("level", 0.5, "m")),
        ("pm2.5", "ug/m3", 7, Reading("pm2_5", 7, "µg/m³")),
        ("lat", "°", 50.1, Reading("latitude", 50.1, "°")),
        ("leakage_detected", "", 1, Reading("leak", True)),
        ("low_batt", None, False, Reading("low_battery", False)),
        # not of the table
        ("Major_Version", "", 3, Reading("Major_Version", 3)),
        ("Master_value", "mm", 7, Reading("Master_value", 7, "mm")),
        # a unit that measures something else
        ("temperature", "raw", 7, Reading("temperature_raw", 7, "raw")),
        ("temperature_3", "raw", 7, Reading("temperature_3_raw", 7, "raw")),
        ("lux_raw", "raw", 7, Reading("lux_raw", 7, "raw")),
        # a unit that could be two: milliwatts or megawatts
        ("power", "mw", 7, Reading("power_mw", 7, "mw")),
        # a text is not converted and has no unit
        ("battery", "%", "low", Reading("battery", "low")),
    ],
)
def test_one_name_means_one_thing(name: str, unit: str | None, value: object, expected: Reading) -> None:
    (reading,) = normalise([Reading(name, value, unit)])  # type: ignore[arg-type]
    assert reading == expected
    assert type(reading.value) is type(expected.value)


def test_no_two_readings_get_the_same_name() -> None:
    assert [how.name for how in rules_for([("Temp", "°C"), ("temperature", "°C")])] == ["Temp", "temperature"]
    assert [how.name for how in rules_for([("Temp", "°C"), ("tmp", "°C")])] == ["temperature", "tmp"]
    assert [how.name for how in rules_for([("temp1", "°C"), ("temp2", "°C")])] == [
        "temperature_1",
        "temperature_2",
    ]


def test_of_two_readings_with_one_name_the_last_counts_for_each_device() -> None:
    readings = [Reading("x", 1), Reading("x", 2), Reading("x", 3, device="f2:a/J1/1")]
    assert normalise(readings) == [Reading("x", 2), Reading("x", 3, device="f2:a/J1/1")]


def test_the_table_agrees_with_itself() -> None:
    for quantity in QUANTITIES:
        with case(quantity):
            row = BY_NAME[quantity.name]  # type: ignore[attr-defined]
            assert row is quantity, "names are unique"
            assert rule(row.name, row.unit)[:2] == (row.name, row.unit)
            assert rule(row.name.replace("_", " ").upper(), row.unit).name == row.name
            for alias in row.aliases:
                assert rule(alias, row.unit).name == row.name, "an alias leads here where the unit says so"
            if row.unit is not None:
                assert conversion(row.unit, row.unit) is not None


def test_an_unknown_unit_is_no_conversion() -> None:
    assert conversion("furlong", "m") is None
    assert conversion("V", "°C") is None
