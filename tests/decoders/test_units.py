from __future__ import annotations

import pytest

from bssci.decoders.units import conversion


@pytest.mark.parametrize(
    ("spelling", "unit", "value", "expected"),
    [
        ("F", "°C", 212, 100.0),
        ("kelvin", "°C", 273.15, 0.0),
        ("liter", "m³", 123, 0.123),
        ("% RH", "%", 40, 40),
        ("LUX", "lx", 5, 5),
        ("min", "s", 2, 120),
    ],
)
def test_a_value_gets_to_another_unit(spelling: str, unit: str, value: float, expected: float) -> None:
    convert = conversion(spelling, unit)
    assert convert is not None
    assert convert(value) == expected


def test_what_differs_by_case_only_is_told_apart_by_it() -> None:
    milli, mega = conversion("mW", "W"), conversion("MW", "W")
    assert milli is not None and milli(5) == 0.005
    assert mega is not None and mega(5) == 5_000_000
    assert conversion("Mw", "W") is None


@pytest.mark.parametrize(("spelling", "unit"), [("kWh", "m³"), ("furlong", "m"), ("m", "furlong")])
def test_what_measures_something_else_does_not_become_it(spelling: str, unit: str) -> None:
    assert conversion(spelling, unit) is None
