"""Collection of readings as series over time: each value, or minimum, maximum and mean of intervals."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite

import msgspec

from bssci.model import Decoded, DecodeFailure, Reading, Reception, Telegram, VariableMacUplink

MAX_NAMES = 200
"""series in one answer"""
SPARE_POINTS = 100
"""values of one name that are collected beyond twice those that are wanted: clocks may be out of order"""
MAX_ROWS = 1000
"""uplinks whose values are added to their interval at a time"""
MAX_EARLIER = 30 * 86400.0
"""s by which another clock's time may be before the time of reception to be believed"""
MAX_LATER = 300.0
"""s by which it may be after that"""

ReadingValue = float | int | bool | str


class TimeStep(msgspec.Struct, array_like=True, gc=False):
    """Summary of the values in one interval: numbers, or booleans as 1 and 0."""

    at: float
    """Unix seconds of its beginning"""
    mean: float
    least: float
    most: float
    count: int


class ChartValue(msgspec.Struct, array_like=True, gc=False):
    """One value of a chart, and when it was measured."""

    at: float
    """Unix seconds"""
    value: ReadingValue


class Series(msgspec.Struct, kw_only=True):
    """Readings of one name, oldest first."""

    name: str
    unit: str | None
    points: list[ChartValue]
    """all values; with intervals only texts, where they change"""
    steps: list[TimeStep]


class Past(msgspec.Struct, kw_only=True):
    """Readings of the messages of a device in a span of time."""

    decoder: str | None
    """decoder of the newest message: ``name@version``"""
    uplinks: int
    failed: int
    without_decoder: int
    failure: DecodeFailure | None
    """the newest failure"""
    failed_at: float | None
    complete: bool
    """false: there are more messages than were examined"""
    series: list[Series]


class _NamedReadings:
    """The readings of one name.

    :param most: newest values that are kept.
    :ivar steps: sum, minimum, maximum and count of numbers or booleans, by the number of their interval.
    """

    __slots__ = ("_last", "_most", "points", "steps", "unit")

    def __init__(self, unit: str | None, most: int) -> None:
        self.unit = unit
        self._most = most
        self._last: ChartValue | None = None
        """the value that was added last"""
        self.points: list[ChartValue] = []
        self.steps: dict[int, list[float]] = {}

    def fold(self, step: int, ats: Sequence[float], values: Sequence[ReadingValue]) -> None:
        """Add the values of uplinks of one step, newest first."""
        numbers: list[float] = [value for value in values if value.__class__ is not str]  # type: ignore[misc]
        if len(numbers) < len(values):
            for at, value in zip(ats, values, strict=True):
                if value.__class__ is str:
                    self._add_text(at, value)
        if not numbers:
            return
        self._add_step(step, [sum(numbers), min(numbers), max(numbers), len(numbers)])

    def take_over(self, earlier: _NamedReadings) -> None:
        """Add the steps of another one, which stay as they are."""
        for step, row in earlier.steps.items():
            self._add_step(step, list(row))

    def _add_step(self, step: int, row: list[float]) -> None:
        own = self.steps.get(step)
        if own is None:
            self.steps[step] = row
        else:
            total, least, most, count = row
            own[:] = own[0] + total, min(own[1], least), max(own[2], most), own[3] + count

    def _add_text(self, at: float, value: ReadingValue) -> None:
        if self._last is not None and self._last.value == value:
            self._last.at = at  # newest first: the text has been the same since then
        else:
            self.add_point(at, value)

    def add_point(self, at: float, value: ReadingValue) -> None:
        """Add a value; from time to time, the older ones of too many are dropped."""
        self._last = ChartValue(at, value)
        self.points.append(self._last)
        if len(self.points) >= 2 * self._most + SPARE_POINTS:
            self.points.sort(key=_at, reverse=True)
            del self.points[self._most :]

    def results(self, every: float, newest: int) -> list[TimeStep]:
        return [_summary(number * every, *self.steps[number]) for number in sorted(self.steps)[-newest:]]


class Collector:
    """Collects decoded messages, newest first, into series. Not thread-safe.

    See :meth:`bssci.center.decoding.past.PastReadings.read` for the parameters.
    """

    def __init__(
        self, since: float, until: float, every: float | None, names: frozenset[str], most: int
    ) -> None:
        self._complete = True
        self._since = since
        self._until = until
        self._every = every
        self._names = names
        self._most = most
        self._named: dict[str, _NamedReadings] = {}
        self._step = 0
        self._step_begin = self._step_end = 0.0
        self._ats: list[float] = []
        self._rows: list[Sequence[Reading]] = []
        """readings of messages in one interval, the same number of each"""
        self._decoder: str | None = None
        self._has_passed_over = False
        """true if a message was later than the span"""
        self._uplinks = self._failed = self._without = 0
        self._failure: DecodeFailure | None = None
        self._failed_at: float | None = None

    def covers(self, at: float) -> bool:
        """Return whether a time lies in the span."""
        if at >= self._until:
            self._has_passed_over = True
            return False
        return at >= self._since

    @property
    def lasts(self) -> bool:
        """Return whether the result may be reused: intervals of numbers up to now, without failures."""
        whole = self._complete and self._every is not None and not self._has_passed_over
        texts = any(named.points for named in self._named.values())
        return whole and not texts and not self._failed and not self._without

    @property
    def size(self) -> int:
        """Number of intervals and values of all names."""
        return sum(len(named.steps) + len(named.points) for named in self._named.values())

    def cut(self) -> None:
        """Note that there are more messages than were examined."""
        self._complete = False

    def take_over(self, earlier: Collector) -> None:
        """Add the intervals of another collector of older messages, for which :attr:`lasts` is true."""
        self._fold()
        self._uplinks += earlier._uplinks
        if self._decoder is None:
            self._decoder = earlier._decoder
        for name, theirs in earlier._named.items():
            named = self._named_for(name, theirs.unit)
            if named is not None:
                named.take_over(theirs)

    @property
    def is_full(self) -> bool:
        """Return whether further messages would change nothing."""
        if self._every is not None or not self._named:
            return False
        return self._uplinks >= self._most and all(
            len(named.points) >= self._most for named in self._named.values()
        )

    def add(self, at: float, decoded: Decoded | None, counts: bool = True) -> None:
        """Add the readings of one message.

        :param decoded: None: there is no decoder for it.
        :param counts: false for messages of the service itself about the device.
        """
        self._uplinks += counts
        if decoded is None:
            self._without += counts
            return
        if self._decoder is None and counts:
            self._decoder = decoded.decoder
        if decoded.failure is not None:
            self._failed += counts
            if self._failure is None:
                self._failure, self._failed_at = decoded.failure, at
        else:
            self._add(at, decoded.readings)

    def add_readings(self, at: float, decoder: str, readings: Sequence[Reading]) -> None:
        """Add an uplink that was decoded.

        :param decoder: ``name@version``.
        """
        self._uplinks += 1
        if self._decoder is None:
            self._decoder = decoder
        self._add(at, readings)

    def _add(self, at: float, readings: Sequence[Reading]) -> None:
        if self._every is None:
            for reading in readings:
                if reading.device is None and (not self._names or reading.name in self._names):
                    named = self._named_for(reading.name, reading.unit)
                    if named is not None:
                        named.add_point(at, reading.value)
            return
        rows = self._rows
        if rows and (
            not self._step_begin <= at < self._step_end
            or len(readings) != len(rows[0])
            or len(rows) >= MAX_ROWS
        ):
            self._fold()
            rows = self._rows
        if not rows:
            self._step = floor(at / self._every)
            self._step_begin, self._step_end = self._step * self._every, (self._step + 1) * self._every
        self._ats.append(at)
        rows.append(readings)

    def _fold(self) -> None:
        """Add the messages of one interval: column by column, which is fast, if they have the same names."""
        rows, self._rows = self._rows, []
        ats, self._ats = self._ats, []
        columns = list(zip(*rows, strict=True))
        if all(_is_of_one_kind(column) for column in columns):
            self._fold_columns(ats, columns)
            return
        for at, row in zip(ats, rows, strict=True):
            self._fold_columns([at], [(reading,) for reading in row])

    def _fold_columns(self, ats: Sequence[float], columns: Sequence[tuple[Reading, ...]]) -> None:
        for column in columns:
            first = column[0]
            if first.device is not None or (self._names and first.name not in self._names):
                continue
            named = self._named_for(first.name, first.unit)
            if named is not None:
                named.fold(self._step, ats, [reading.value for reading in column])

    def _named_for(self, name: str, unit: str | None) -> _NamedReadings | None:
        named = self._named.get(name)
        if named is None and len(self._named) < MAX_NAMES:
            named = self._named[name] = _NamedReadings(unit, self._most)
        return named

    def result(self) -> Past:
        """Return all that was collected, oldest first."""
        self._fold()
        return Past(
            decoder=self._decoder,
            uplinks=self._uplinks,
            failed=self._failed,
            without_decoder=self._without,
            failure=self._failure,
            failed_at=self._failed_at,
            complete=self._complete,
            series=[self._series(name, named) for name, named in self._named.items()],
        )

    def _series(self, name: str, named: _NamedReadings) -> Series:
        points = sorted(named.points, key=_at)[-self._most :]
        steps = [] if self._every is None else named.results(self._every, self._most)
        return Series(name=name, unit=named.unit, points=points, steps=steps)


def _summary(at: float, total: float, least: float, most: float, count: float) -> TimeStep:
    """Return the summary of an interval: of yes and no, or of numbers where there was a number, too."""
    if isinstance(least, bool) is not isinstance(most, bool):
        least, most = +least, +most
    mean = total / count
    # The sum of very large numbers is infinite.
    return TimeStep(at, round(mean, 9) if isfinite(mean) else least / 2 + most / 2, least, most, int(count))


def _is_of_one_kind(column: Sequence[Reading]) -> bool:
    """Return whether all readings have the same name and are of the same device."""
    name, device = column[0].name, column[0].device
    return {reading.name for reading in column} == {name} and {each.device for each in column} == {device}


def _at(point: ChartValue) -> float:
    return point.at


def time_of(best: Reception) -> float:
    """Return the Unix seconds when a sensor sent an uplink: by the base station's clock, if plausible.

    Base stations that were offline deliver their receptions later.

    :param best: reception with the best signal.
    """
    return _believed(best.rx_time / 1e9, best.received_at)


def time_of_telegram(telegram: Telegram | VariableMacUplink) -> float:
    """Return the Unix seconds when a device sent a telegram, by its or its gateway's clock if plausible."""
    if isinstance(telegram, VariableMacUplink):
        return _believed(telegram.system_time / 1e9, telegram.at)
    for at in (telegram.device_time, telegram.gateway_time):
        if at is not None:
            return _believed(at, telegram.at)
    return telegram.at


def _believed(at: float, received_at: float) -> float:
    return at if received_at - MAX_EARLIER <= at <= received_at + MAX_LATER else received_at
