"""History: charts of figures over time, stored events, and the progress of a single event."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from bssci.model import AnyEvent, Uplink
from bssci.system.clock import turn
from bssci.web.context import Context
from bssci.web.http.errors import invalid, not_found
from bssci.web.live.event_json import event_dict
from bssci.web.live.event_search import contains, text_of
from bssci.web.live.feed import Numbered
from bssci.web.live.live import Filter
from bssci.web.live.names import names_in
from bssci.web.monitoring.sampler import METRICS
from bssci.web.reports.ranges import RANGES, Range

SLICE = 500
"""events that a search for text reads at a time"""
SLICES = 6
FEW = 10
"""events that are described before looking at the time"""
SLICE_TIME = 0.01
"""s of describing events after which it yields to the reactor"""
ON_DASHBOARD = (("uplinks", "duplicates"), ("stations_online",), ("sensors_active",), ("backlog",))


def range_of(name: str) -> Range:
    """Return the range with a name.

    :raises ApiError: 422: there is no such range.
    """
    if name not in RANGES:
        raise invalid("range", f"must be one of {', '.join(RANGES)}")
    return RANGES[name]


class ChartViews:
    """Reports of time series that are sampled once a minute."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def history(self, metric: str, span: str = "hour") -> dict[str, Any]:
        """Return one metric over time: mean, minimum and maximum of each step.

        :raises ApiError: 422: there is no such metric or range.
        """
        if metric not in METRICS:
            raise invalid("metric", f"must be one of {', '.join(METRICS)}")
        length, (title, unit), now = range_of(span), METRICS[metric], self._context.now()
        rows = await self._context.journal.samples.read(metric, since=now - length.seconds, step=length.step)
        return {
            "metric": metric,
            "title": title,
            "unit": unit,
            "start": now - length.seconds,
            "end": now,
            "step": length.step,
            "points": _with_gaps([(at, mean) for at, mean, _, _ in rows], length.step),
            "least": [[at, least] for at, _, least, _ in rows],
            "most": [[at, most] for at, _, _, most in rows],
        }

    async def dashboard(self, span: str) -> list[dict[str, Any]]:
        """Return the charts of the dashboard."""
        charts = []
        for metrics in ON_DASHBOARD:
            histories = [await self.history(metric, span) for metric in metrics]
            first = histories[0]
            charts.append(
                {
                    "id": metrics[0],
                    "title": first["title"],
                    "unit": first["unit"],
                    "start": first["start"],
                    "end": first["end"],
                    "kind": "area" if len(metrics) == 1 else "line",
                    "y_min": 0,
                    "series": [{"name": each["title"], "points": each["points"]} for each in histories],
                }
            )
        return charts

    async def total(self, metric: str, span: str) -> float:
        """Return the growth of a counter over a span of time."""
        length, now = range_of(span), self._context.now()
        rows = await self._context.journal.samples.read(metric, since=now - length.seconds, step=60.0)
        return sum(mean for _, mean, _, _ in rows)


class EventViews:
    """Reports of stored events."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._journal = context.journal
        self._name_of = names_in(context.center)

    async def read(
        self, asked: Filter, before: int | None = None, limit: int = 100, *, decodes: bool = True
    ) -> dict[str, Any]:
        """Return events, newest first. ``next`` is the ``before`` of the following page, None after the
        last; there may be more events even if few were found.

        :param decodes: add readings, which may take longer than all else.
        """
        found, following = await self._find(asked, before, limit)
        if decodes:
            decoded = await self._context.outside.decode_stored([event for _, event in found])
            found = [(seq, event) for (seq, _), event in zip(found, decoded, strict=True)]
        described = [event_dict(seq, event, self._name_of) async for seq, event in self._in_turns(found)]
        return {"events": described, "next": following}

    async def _find(
        self, asked: Filter, before: int | None, limit: int
    ) -> tuple[list[tuple[int, AnyEvent]], int | None]:
        needles = asked.text
        found: list[tuple[int, AnyEvent]] = []
        following = before or 0
        for _ in range(SLICES if needles else 1):
            events, following = await self._journal.history.look_back(
                before=following or None,
                limit=SLICE if needles else limit,
                kinds=asked.kinds,
                sensor=asked.sensor,
                station=asked.station,
            )
            if not needles:
                return events, following or None
            async for seq, event in self._in_turns(events):
                if contains(text_of(event_dict(seq, event, self._name_of)), needles):
                    found.append((seq, event))
                    if len(found) == limit:
                        return found, seq
            if not following:
                break
        return found, following or None

    async def _in_turns(self, events: Numbered) -> AsyncIterator[tuple[int, AnyEvent]]:
        """Yield events, and to the reactor whenever describing them has taken a while."""
        clock = self._context.clock
        began = clock.seconds()
        for count, each in enumerate(events, 1):
            if count % FEW == 0 and clock.seconds() - began > SLICE_TIME:
                await turn(clock)
                began = clock.seconds()
            yield each

    async def one(self, seq: int) -> dict[str, Any]:
        """Return one event and whether each sink has taken it; for an uplink also the number of late
        copies.
        """
        event = await self._journal.history.event(seq)
        if event is None:
            raise not_found(f"there is no event {seq}")
        [decoded] = await self._context.outside.decode_stored([event])
        described = event_dict(seq, decoded, self._name_of)
        described["sinks"] = self._sinks(seq)
        described["delivered_at"] = delivered_at(self._context.center.deliveries.taken(), seq)
        if isinstance(event, Uplink):
            copies = await self._journal.history.late_copies(seq)
            described["late_copies"] = len(copies)
        return described

    def _sinks(self, seq: int) -> dict[str, str]:
        """Return whether each sink has taken an event. Sinks take events in order, so the length of the
        backlog shows it.
        """
        last = self._journal.events.last_seq
        return {
            name: "delivered" if last - figures["queued"] >= seq else "waiting"
            for name, figures in self._context.center.deliveries.statistics().items()
        }


def delivered_at(deliveries: Mapping[str, Sequence[tuple[int, float]]], seq: int) -> dict[str, float]:
    """Return the time at which each sink took an event, in Unix seconds, where it is known."""
    found = {}
    for sink, batches in deliveries.items():
        position = bisect_left(batches, seq, key=itemgetter(0))
        if 0 < position < len(batches):
            found[sink] = batches[position][1]
    return found


def _with_gaps(points: list[tuple[float, float]], step: float) -> list[list[float | None]]:
    """Return the points, with a gap where the service did not run, so that no line is drawn across it."""
    shown: list[list[float | None]] = []
    for index, (at, value) in enumerate(points):
        if index and at - points[index - 1][0] > 2.5 * step:
            shown.append([at - step, None])
        shown.append([at, round(value, 3)])
    return shown
