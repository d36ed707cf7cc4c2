"""What is counted from the events as they go by: rates, copies by station, latencies."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bssci.model import EUI, AnyEvent, Uplink
from bssci.system.clock import Clock, Ticker
from bssci.web.live.event_json import kind_of

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0)
"""s"""
RATE_STEP = 5.0
"""s between marks"""
RATE_MARKS = 13
"""a rate is that of the last minute"""


@dataclass
class Histogram:
    """Counts by bucket, as Prometheus wants them."""

    bounds: Sequence[float] = BUCKETS
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulated, with their upper bounds."""
        cumulated, buckets = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            cumulated += count
            buckets.append((bound, float(cumulated)))
        return buckets


class Rate:
    """How much a counter grows a second, over the last minute."""

    def __init__(self, now: float) -> None:
        self._marks: deque[tuple[float, int]] = deque([(now, 0)], maxlen=RATE_MARKS)

    def mark(self, now: float, count: int) -> None:
        self._marks.append((now, count))

    def value(self, now: float, count: int) -> float:
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0


class Figures:
    """A :class:`bssci.web.live.feed.Watcher`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.events_by_kind: dict[str, int] = {}
        self.uplinks = 0
        self.receptions = 0
        self.unseen = 0
        """events that went by too fast to be counted here"""
        self.received_by: dict[EUI, int] = {}
        """copies received by each station since the start"""
        self.merging = Histogram()
        """s from the first reception of an uplink to its publication: the window and the disk"""
        self._rate = Rate(clock.seconds())
        self._station_rates: dict[EUI, Rate] = {}
        self._ticker = Ticker(clock, RATE_STEP, self._mark)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
        by_kind, received_by = self.events_by_kind, self.received_by
        for _, event in numbered:
            kind = kind_of(event)
            by_kind[kind] = by_kind.get(kind, 0) + 1
            if isinstance(event, Uplink):
                receptions = event.receptions
                self.uplinks += 1
                self.receptions += len(receptions)
                first = receptions[0].received_at
                for reception in receptions:
                    station = reception.base_station_eui
                    received_by[station] = received_by.get(station, 0) + 1
                    first = min(first, reception.received_at)
                self.merging.observe(max(0.0, event.at - first))

    def skipped(self, count: int) -> None:
        self.unseen += count

    def uplink_rate(self) -> float:
        """Uplinks a second, over the last minute."""
        return self._rate.value(self._clock.seconds(), self.uplinks)

    def station_rate(self, eui: EUI) -> float:
        """Receptions a second by one station, over the last minute."""
        rate = self._station_rates.get(eui)
        count = self.received_by.get(eui, 0)
        return rate.value(self._clock.seconds(), count) if rate is not None else 0.0

    def _mark(self) -> None:
        now = self._clock.seconds()
        self._rate.mark(now, self.uplinks)
        for eui, count in self.received_by.items():
            rate = self._station_rates.get(eui)
            if rate is None:
                rate = self._station_rates[eui] = Rate(now - RATE_STEP)
            rate.mark(now, count)
