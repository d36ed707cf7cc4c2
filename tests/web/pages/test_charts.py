"""Time series to paths: where points lie, where the line breaks, what the axis says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.web.pages.charts import Drawing, draw


def drawn(points: list[list[float | None]], **more: Any) -> Drawing:
    return draw(
        {
            "id": "c",
            "title": "T",
            "unit": "dB",
            "start": 0,
            "end": 100,
            "series": [{"name": "a", "points": points}],
            **more,
        }
    )


def test_points_lie_between_the_ends_of_both_axes() -> None:
    assert drawn([[0, 0], [50, 5], [100, 10]]).curves[0].line == "M0.0 144.0L500.0 72.0L1000.0 0.0"


def test_a_gap_is_not_bridged_and_a_lonely_point_is_a_dot() -> None:
    curve = drawn([[0, 0], [10, 10], [20, None], [50, 5]]).curves[0]
    assert curve.line.count("M") == 1
    assert curve.dots == "M500.0 72.0h.01"


def test_an_area_reaches_down_to_the_axis() -> None:
    assert drawn([[0, 5], [100, 10]], kind="area", y_min=0).curves[0].area.endswith("L1000.0 144Z")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0, 10), ["0", "5", "10"]),
        ((0, 0.5), ["0.0", "0.2", "0.4", "0.6"]),
        ((0, 0), ["0", "1"]),
        ((3, 3), ["2", "3", "4"]),
        ((3.5, 3.5), ["3.3", "3.4", "3.5", "3.6", "3.7"]),
        ((0, 1000), ["0", "250", "500", "750", "1 000"]),
        ((-110, -100), ["-110", "-105", "-100"]),
    ],
)
def test_the_axis_has_round_numbers(values: tuple[float, float], labels: list[str]) -> None:
    shown = drawn([[0, values[0]], [100, values[1]]]).values
    assert [each.replace("\u202f", " ").replace("\u2212", "-") for each in shown] == labels


@pytest.mark.parametrize(("value", "last"), [(20.4432, "20.44 dB"), (1009.2, "1 009.2 dB"), (4.0, "4 dB")])
def test_the_last_value_has_its_digits_and_no_more(value: float, last: str) -> None:
    shown = drawn([[0, value - 1], [100, value]]).curves[0].last
    assert shown.replace("\u202f", " ") == last


def test_a_chart_without_points_says_so() -> None:
    empty = drawn([])
    assert empty.empty
    assert "no data" in empty.summary


def test_the_summary_tells_range_and_last_value() -> None:
    assert (
        drawn([[0, 1], [50, 9], [100, 4]]).summary.replace("\u202f", " ")
        == "a: from 1 dB to 9 dB, latest 4 dB"
    )


def test_yes_and_no_are_steps_and_words() -> None:
    chart = drawn([[0, 0.0], [50, 1.0], [100, 1.0]], kind="flag", unit="")
    assert chart.curves[0].line == "M0.0 144.0H500.0V0.0H1000.0V0.0"
    assert chart.curves[0].last == "yes" and chart.values == ["no", "yes"]
    assert chart.summary == "a: latest yes, 1 change" and '"words":["no","yes"]' in chart.data
    assert drawn([], kind="flag").empty


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((1.7e308, -1.7e308), ["-1e+300", "-5e+299", "0", "5e+299", "1e+300"]),
        ((1.7e308, 1.7e308), ["9.5e+299", "9.75e+299", "1e+300", "1.025e+300", "1.05e+300"]),
        ((1e-14, 1e-14), ["9.5e-15", "9.75e-15", "1e-14", "1.03e-14", "1.05e-14"]),
        ((1e-200, 2e-200), ["1e-200", "1.25e-200", "1.5e-200", "1.75e-200", "2e-200"]),
        ((5e-324, 5e-324), ["0.00", "0.25", "0.50", "0.75", "1.00"]),
    ],
)
def test_no_number_is_too_large_or_too_small_for_a_chart(
    values: tuple[float, float], labels: list[str]
) -> None:
    chart = drawn([[0, values[0]], [100, values[1]]])
    assert [each.replace("\u202f", "").replace("\u2212", "-") for each in chart.values] == labels
    assert len(chart.summary) < 100 and "Infinity" not in chart.data and "NaN" not in chart.data


@pytest.mark.parametrize(
    ("points", "digits"), [([[0.0, 107.021], [60.0, 107.026]], 3), ([[0.0, 1.0], [60.0, 90000.0]], 2)]
)
def test_the_value_at_the_pointer_has_the_digits_of_that_beside_the_chart(
    points: list[list[float]], digits: int
) -> None:
    chart = {"id": "x", "title": "Volume", "unit": "m³", "start": 0.0, "end": 60.0}
    assert json.loads(draw(chart | {"series": [{"name": "a", "points": points}]}).data)["digits"] == digits
