"""Samples of some figures for charts, which are written to the journal once a minute."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.service_center import ServiceCenter
from bssci.system.clock import Clock, Ticker, in_slices
from bssci.web.monitoring.figures import Figures

INTERVAL = 60.0
"""s between samples"""
SLICE = 5000
"""sensors that are examined in one turn of the reactor"""
KEPT = 8 * 86400.0
"""s for which a sample is kept"""
MEGABYTE = 1024 * 1024
"""bytes, as JOURNAL_MAX_SIZE counts them"""
METRICS: dict[str, tuple[str, str]] = {
    "uplinks": ("Uplinks", "/min"),
    "duplicates": ("Duplicates merged", "/min"),
    "unknown_uplinks": ("Uplinks of unknown sensors", "/min"),
    "stations_online": ("Base stations online", ""),
    "sensors_active": ("Sensors heard in the last hour", ""),
    "backlog": ("Events that wait for the slowest sink", ""),
    "journal_size": ("Journal", "MB"),
    "downlinks_queued": ("Downlinks queued", ""),
}
"""title and unit of each metric"""


class Sampler:
    """Takes samples: the growth of counters since the last sample, and the present values of other figures.

    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(
        self, clock: Clock, now: Callable[[], float], center: ServiceCenter, figures: Figures
    ) -> None:
        self._now = now
        self._center = center
        self._figures = figures
        self._before = self._counters()
        self._clock = clock
        self._ticker = Ticker(clock, INTERVAL, self.sample)

    def start(self) -> None:
        self._before = self._counters()
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def sample(self) -> Deferred[None]:
        """Take a sample of every figure now."""
        return ensureDeferred(self._sample()).addErrback(self._not_stored)

    async def _sample(self) -> None:
        now, before = self._now(), self._before
        counters = self._before = self._counters()
        values = {name: max(0.0, value - before[name]) for name, value in counters.items()}
        values |= await self._levels()
        await self._center.journal.samples.store(now, values, now - KEPT)
        self._figures.sampled(counters["uplinks"])

    def _counters(self) -> dict[str, float]:
        statistics = self._center.deduplication.statistics
        return {
            "uplinks": statistics.published_messages,
            "duplicates": statistics.duplicate_messages,
            "unknown_uplinks": self._center.unknown_uplinks,
        }

    async def _levels(self) -> dict[str, float]:
        center, since = self._center, self._now() - 3600.0
        active = 0
        async for part in in_slices(self._clock, center.sensors.all(), SLICE):
            for sensor in part:
                activity = center.activities.get(sensor.eui)
                active += activity is not None and activity.last_seen_at >= since
        return {
            "stations_online": len(center.stations.connected()),
            "sensors_active": active,
            "backlog": max((sink["queued"] for sink in center.deliveries.statistics().values()), default=0.0),
            "journal_size": center.journal.size() / MEGABYTE,
            "downlinks_queued": center.downlinks.queued,
        }

    def _not_stored(self, failure: Failure) -> None:
        self.log.warn("figures for charts not stored {error}", error=failure.getErrorMessage())
