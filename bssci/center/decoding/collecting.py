"""Readings of many uplinks as series over time: each value, or least, most and mean of steps of time."""

from __future__ import annotations

from math import floor

import msgspec

from bssci.model import Decoded, DecodeFailure, Reading, Uplink

MAX_NAMES = 200
"""series that one question is answered with"""
MAX_EARLIER = 30 * 86400.0
MAX_LATER = 300.0
"""s by which a base station's time may differ from ours, for it to be believed"""

Value = float | int | bool | str


class Step(msgspec.Struct, array_like=True, gc=False):
    """Values of a step of time: numbers, or yes and no as 1 and 0."""

    at: float
    """Unix seconds: its begin"""
    mean: float
    least: float
    most: float
    count: int


class Point(msgspec.Struct, array_like=True, gc=False):
    """One value."""

    at: float
    """Unix seconds"""
    value: Value


class Series(msgspec.Struct, kw_only=True):
    """Readings of one name, oldest first."""

    name: str
    unit: str | None
    points: list[Point]
    """each value; of steps of time, texts only, where they change"""
    steps: list[Step]


class Past(msgspec.Struct, kw_only=True):
    """Readings of the uplinks of a span of time."""

    decoder: str | None
    """of the newest: ``name@version``"""
    uplinks: int
    failed: int
    without_decoder: int
    failure: DecodeFailure | None
    """the newest"""
    failed_at: float | None
    complete: bool
    """false: there are more uplinks than were looked at"""
    series: list[Series]


class _Steps:
    """The numbers of one name by step."""

    __slots__ = ("every", "rows")

    def __init__(self, every: float) -> None:
        self.every = every
        self.rows: dict[int, list[float]] = {}
        """sum, least, most, count by the step's number"""

    def add(self, at: float, value: float) -> None:
        number = floor(at / self.every)
        row = self.rows.get(number)
        if row is None:
            self.rows[number] = [value, value, value, 1]
            return
        row[0] += value
        if value < row[1]:
            row[1] = value
        elif value > row[2]:
            row[2] = value
        row[3] += 1

    def result(self, newest: int) -> list[Step]:
        numbers = sorted(self.rows)[-newest:]
        return [
            Step(number * self.every, round(row[0] / row[3], 9), row[1], row[2], int(row[3]))
            for number in numbers
            for row in [self.rows[number]]
        ]


class _Named:
    """The readings of one name."""

    __slots__ = ("points", "steps", "unit")

    def __init__(self, unit: str | None, every: float | None) -> None:
        self.unit = unit
        self.points: list[Point] = []
        self.steps = None if every is None else _Steps(every)


class Collector:
    """Takes what was decoded, newest first, and makes series of it. Not for two threads at a time.

    See :meth:`bssci.center.decoding.past.PastReadings.read` for the parameters.
    """

    def __init__(
        self, since: float, until: float, every: float | None, names: frozenset[str], most: int
    ) -> None:
        self.complete = True
        self._since = since
        self._until = until
        self._every = every
        self._names = names
        self._most = most
        self._named: dict[str, _Named] = {}
        self._decoder: str | None = None
        self._uplinks = self._failed = self._without = 0
        self._failure: DecodeFailure | None = None
        self._failed_at: float | None = None

    def covers(self, at: float) -> bool:
        """Return whether a time lies in the span."""
        return self._since <= at < self._until

    @property
    def is_full(self) -> bool:
        """Return whether more uplinks would change nothing."""
        if self._every is not None or not self._named:
            return False
        return self._uplinks >= self._most and all(
            len(named.points) >= self._most for named in self._named.values()
        )

    def add(self, at: float, decoded: Decoded | None) -> None:
        """Add the readings of one uplink; None: there is no decoder."""
        self._uplinks += 1
        if decoded is None:
            self._without += 1
            return
        if self._decoder is None:
            self._decoder = decoded.decoder
        if decoded.failure is not None:
            self._failed += 1
            if self._failure is None:
                self._failure, self._failed_at = decoded.failure, at
            return
        for reading in decoded.readings:
            if reading.device is None and (not self._names or reading.name in self._names):
                self._add(at, reading)

    def _add(self, at: float, reading: Reading) -> None:
        named = self._named.get(reading.name)
        if named is None:
            if len(self._named) >= MAX_NAMES:
                return
            named = self._named[reading.name] = _Named(reading.unit, self._every)
        value = reading.value
        if named.steps is None:
            named.points.append(Point(at, value))
        elif value.__class__ is str:
            if named.points and named.points[-1].value == value:
                named.points[-1].at = at  # newest first: it said so already then
            else:
                named.points.append(Point(at, value))
        else:
            named.steps.add(at, value)  # type: ignore[arg-type]  # bool is a number here

    def result(self) -> Past:
        """All of it, oldest first."""
        return Past(
            decoder=self._decoder,
            uplinks=self._uplinks,
            failed=self._failed,
            without_decoder=self._without,
            failure=self._failure,
            failed_at=self._failed_at,
            complete=self.complete,
            series=[self._series(name, named) for name, named in self._named.items()],
        )

    def _series(self, name: str, named: _Named) -> Series:
        points = sorted(named.points, key=_at)[-self._most :]
        steps = [] if named.steps is None else named.steps.result(self._most)
        return Series(name=name, unit=named.unit, points=points, steps=steps)


def _at(point: Point) -> float:
    return point.at


def time_of(uplink: Uplink) -> float:
    """When a sensor sent an uplink: Unix seconds of the base station's clock, if it is to be believed.

    A base station that was cut off hands in later what it heard.
    """
    best = uplink.receptions[0]
    at = best.rx_time / 1e9
    return at if best.received_at - MAX_EARLIER <= at <= best.received_at + MAX_LATER else best.received_at
