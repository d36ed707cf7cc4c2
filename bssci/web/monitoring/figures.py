"""Figures that are computed continuously: rates and latencies."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from prometheus_client import Histogram, disable_created_metrics

from bssci.center.service_center import ServiceCenter
from bssci.model import EUI, AnyEvent, Uplink
from bssci.system.clock import Clock, Ticker

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0)
"""upper limits of the buckets, in s"""
RATE_STEP = 5.0
"""s between marks of the counters"""
RATE_MARKS = 13
"""number of marks that are kept, so that a rate is that of the last minute"""
# All counters start with the service, whose start bssci_start_time_seconds reports.
disable_created_metrics()


class CounterRate:
    """Growth of a counter per second, over the last minute."""

    def __init__(self, now: float) -> None:
        self._marks: deque[tuple[float, int]] = deque([(now, 0)], maxlen=RATE_MARKS)

    def mark(self, now: float, count: int) -> None:
        self._marks.append((now, count))

    def value(self, now: float, count: int) -> float:
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0


class Figures:
    """Rates, and figures about the events of the feed: a :class:`bssci.web.live.feed.Watcher`.

    :ivar merging: s from the first reception of an uplink to its publication.
    """

    def __init__(self, clock: Clock, center: ServiceCenter) -> None:
        self._clock = clock
        self._statistics = center.deduplication.statistics
        self._received_by = center.ingest.received_by
        # It includes the window of the deduplication and the time of the disk.
        self.merging = Histogram(
            "bssci_uplink_merge_seconds",
            "From the first reception to the publication.",
            buckets=BUCKETS,
            registry=None,
        )
        self._sampled = 0
        self._rate = CounterRate(clock.seconds())
        self._station_rates: dict[EUI, CounterRate] = {}
        self._ticker = Ticker(clock, RATE_STEP, self._mark)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
        for _, event in numbered:
            if isinstance(event, Uplink):
                first = min(reception.received_at for reception in event.receptions)
                self.merging.observe(max(0.0, event.at - first))

    def skipped(self, count: int) -> None:
        """Do nothing: an average over the others will do."""

    def uplink_rate(self) -> float:
        """Return uplinks per second, over the last minute."""
        return self._rate.value(self._clock.seconds(), self._statistics.published_messages)

    def sampled(self, uplinks: float) -> None:
        """Note that the samples in the journal hold so many uplinks of this run."""
        self._sampled = int(uplinks)

    @property
    def unsampled_uplinks(self) -> int:
        """Return the number of uplinks since the last sample."""
        return max(0, self._statistics.published_messages - self._sampled)

    def station_rate(self, eui: EUI) -> float:
        """Return receptions per second by a base station, over the last minute."""
        rate = self._station_rates.get(eui)
        return rate.value(self._clock.seconds(), self._received_by[eui]) if rate is not None else 0.0

    def _mark(self) -> None:
        now = self._clock.seconds()
        self._rate.mark(now, self._statistics.published_messages)
        for eui, count in self._received_by.items():
            rate = self._station_rates.get(eui)
            if rate is None:
                rate = self._station_rates[eui] = CounterRate(now - RATE_STEP)
            rate.mark(now, count)
        for eui in self._station_rates.keys() - self._received_by.keys():
            del self._station_rates[eui]
