"""Time series as SVG paths: everything that a template needs to draw a chart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bssci.model.counts import many
from bssci.web.formats import measured, number

WIDTH, HEIGHT = 1000, 144
"""size of the view box; the plot is stretched to its place on the page, while lines keep their width"""
_TICKS = 4
"""steps of the value axis at most"""
_TIMES = 4
"""steps of the time axis"""
COLOURS = 6
WORDS = ("no", "yes")
"""words for 0 and 1 of a flag"""
_LARGEST = 1e300
"""greatest value on an axis; larger ones are drawn beyond it"""
_SMALLEST = 1e-300
"""least distance between the ends of an axis"""
_EQUAL = 1e-9
"""values that differ by less, relative to the greater, are drawn as equal"""
_MOST_DIGITS = 12
"""digits after the decimal point of a label, beyond which it has a power of ten"""

DrawnPoint = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """One series, drawn."""

    name: str
    colour: int
    line: str
    dots: str
    """path of the points without a neighbour"""
    area: str
    last: str
    """newest value with its unit"""


@dataclass(frozen=True)
class Drawing:
    """The drawing of one chart."""

    id: str
    title: str
    curves: list[Curve]
    values: list[str]
    """labels of the value axis, from the bottom up"""
    times: list[float]
    """ticks of the time axis, Unix seconds"""
    span: float
    """s from the left edge to the right edge"""
    grid: list[float]
    summary: str
    """summary for people who do not see the chart"""
    data: str
    """JSON for the script that shows values at the pointer: start, end, low, high, unit, digits, series"""
    band: str
    """path of the area between the least and the greatest values; empty if there is none"""

    @property
    def empty(self) -> bool:
        return not any(curve.line or curve.dots for curve in self.curves)


def draw(chart: Mapping[str, Any]) -> Drawing:
    """Draw a chart that a report describes.

    ``chart`` holds id, title, unit, start and end (Unix seconds), series with name and points
    ``[t, value or None]``; and optionally kind (``line``, ``area``, or ``flag``: 1 and 0 shown as yes
    and no, or as the two ``words``, each valid until the next point), y_min and y_max, and band: points
    ``[t, least, most]``.
    """
    series = list(chart["series"])
    start, end = float(chart["start"]), float(chart["end"])
    unit = str(chart.get("unit") or "")
    band = [(at, least, most) for at, least, most in chart.get("band", ())]
    edges = [{"points": [(at, value) for at, *both in band for value in both]}] if band else []
    flag = chart.get("kind") == "flag"
    words = chart.get("words", WORDS)
    if flag:
        low, high, step = 0.0, 1.0, 1.0
    else:
        low, high, step = _axis([*series, *edges], chart.get("y_min"), chart.get("y_max"))
    digits = _digits(step)
    count = round((high - low) / step)
    place = _ViewBox(start, end, low, high, flag)
    filled = flag or chart.get("kind") == "area"

    def last(values: Sequence[float]) -> str:
        if flag:
            return str(words[int(values[-1])]) if values else ""
        return _last(values, digits, unit)

    return Drawing(
        id=str(chart["id"]),
        title=str(chart["title"]),
        curves=[_curve(place, index, each, filled, last) for index, each in enumerate(series)],
        values=list(words) if flag else [_label(low + step * index, digits) for index in range(count + 1)],
        times=[start + (end - start) * index / _TIMES for index in range(_TIMES + 1)],
        span=end - start,
        grid=[HEIGHT * index / count for index in range(count + 1)],
        band=place.band(band) if len(band) > 1 else "",
        summary=_summary_of_flags(series, words) if flag else _summary(series, unit, digits),
        data=_data(place, unit, _told(digits), series, words if flag else None),
    )


def _curve(
    place: _ViewBox,
    index: int,
    series: Mapping[str, Any],
    filled: bool,
    last: Callable[[Sequence[float]], str],
) -> Curve:
    runs = _runs(series["points"])
    return Curve(
        name=str(series["name"]),
        colour=index % COLOURS,
        line="".join(place.line(run) for run in runs if len(run) > 1),
        dots="".join(f"M{place.at(run[0])}h.01" for run in runs if len(run) == 1),
        area="".join(place.area(run) for run in runs) if filled else "",
        last=last([value for _, value in series["points"] if value is not None]),
    )


def _data(
    place: _ViewBox,
    unit: str,
    digits: int,
    series: Sequence[Mapping[str, Any]],
    words: Sequence[str] | None,
) -> str:
    """Return the JSON for the script that shows values at the pointer."""
    data = {
        "start": place.start,
        "end": place.end,
        "low": place.low,
        "high": place.high,
        "unit": unit,
        "digits": digits,
        **({} if words is None else {"words": words}),
        "series": [
            {"name": str(each["name"]), "points": [[round(at), it] for at, it in each["points"]]}
            for each in series
        ],
    }
    return json.dumps(data, separators=(",", ":"))


@dataclass(frozen=True)
class _ViewBox:
    """Conversion of points into places in the view box."""

    start: float
    end: float
    low: float
    high: float
    stepped: bool = False
    """true if a value is valid until the next"""

    def at(self, point: DrawnPoint) -> str:
        time, value = point
        assert time is not None and value is not None
        x = WIDTH * (time - self.start) / ((self.end - self.start) or 1)
        y = HEIGHT * (1 - (value - self.low) / (self.high - self.low))
        return f"{x:.1f} {y:.1f}"

    def line(self, run: Sequence[DrawnPoint]) -> str:
        return f"M{self._along(run)}"

    def area(self, run: Sequence[DrawnPoint]) -> str:
        first, last = self.at(run[0]).split()[0], self.at(run[-1]).split()[0]
        return f"M{first} {HEIGHT}L{self._along(run)}L{last} {HEIGHT}Z"

    def _along(self, run: Sequence[DrawnPoint]) -> str:
        places = list(map(self.at, run))
        if not self.stepped:
            return "L".join(places)
        steps = [f"H{x}V{y}" for x, y in (place.split() for place in places[1:])]
        return places[0] + "".join(steps)

    def band(self, points: Sequence[tuple[float, float, float]]) -> str:
        above = [self.at((at, most)) for at, _, most in points]
        below = [self.at((at, least)) for at, least, _ in reversed(points)]
        return f"M{'L'.join([*above, *below])}Z"


def _runs(points: Sequence[DrawnPoint]) -> list[list[DrawnPoint]]:
    """Return the runs of points that have no gap within them."""
    runs: list[list[DrawnPoint]] = [[]]
    for point in points:
        if point[1] is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _axis(
    series: Sequence[Mapping[str, Any]], low: float | None, high: float | None
) -> tuple[float, float, float]:
    """Return lower end, upper end and step of the value axis: round numbers, and integers if all values
    are.
    """
    values = [_drawn(value) for each in series for _, value in each["points"] if value is not None]
    bottom = min([*values, *([low] if low is not None else [])], default=0.0)
    top = max([*values, *([high] if high is not None else [])], default=1.0)
    if top - bottom <= max(_EQUAL * max(abs(top), abs(bottom)), _SMALLEST):
        # All values are equal: draw a line in the middle, or at the bottom if the value is zero.
        around = abs(bottom) * 0.05
        is_zero = around < _SMALLEST or low is not None
        bottom, top = (bottom, top + 1.0) if is_zero else (bottom - around, top + around)
    raw = (top - bottom) / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(raw))
    steps = [magnitude * nice for nice in (1, 2, 2.5, 5, 10)]
    if all(map(float.is_integer, values)):
        steps = [step for step in steps if float(step).is_integer()] or [1.0]
    step = next(step for step in steps if raw <= step * (1 + 1e-9))
    return math.floor(bottom / step) * step, math.ceil(top / step - 1e-9) * step, step


def _drawn(value: float) -> float:
    """Return a value within what an axis can show."""
    return min(max(float(value), -_LARGEST), _LARGEST)


def _digits(step: float) -> int:
    """Return the digits after the decimal point that multiples of ``step`` need."""
    exact = (places for places in range(_MOST_DIGITS) if abs(round(step, places) - step) < step * 1e-6)
    return next(exact, _MOST_DIGITS)


def _label(value: float, digits: int) -> str:
    return number(value, digits) if digits < _MOST_DIGITS else measured(value)


def _told(digits: int) -> int:
    """Return the digits after the decimal point of single values beside an axis with ``digits`` of them."""
    return min(max(digits, 2), 3)


def _last(values: Sequence[float], digits: int, unit: str) -> str:
    if not values:
        return number(None)
    return measured(round(values[-1], _told(digits)), unit)


def _summary_of_flags(series: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    parts = []
    for each in series:
        values = [bool(value) for _, value in each["points"] if value is not None]
        said = "no data" if not values else f"latest {words[int(values[-1])]}"
        changes = many(sum(one != other for one, other in pairwise(values)), "change")
        parts.append(f"{each['name']}: {said}, {changes}" if values else f"{each['name']}: {said}")
    return "; ".join(parts)


def _summary(series: Sequence[Mapping[str, Any]], unit: str, digits: int) -> str:
    parts = []
    for each in series:
        values = [value for _, value in each["points"] if value is not None]
        if values:
            figures = (min(values), max(values), values[-1])
            least, most, last = (number(value, digits, unit) for value in figures)
            parts.append(f"{each['name']}: from {least} to {most}, latest {last}")
        else:
            parts.append(f"{each['name']}: no data")
    return "; ".join(parts)
