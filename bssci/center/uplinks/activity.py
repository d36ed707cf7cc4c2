"""Activity of each sensor: time of the last uplink, packet counter and number of uplinks.

A crash loses nothing, since activity that was not written is restored from the uplinks in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from twisted.internet.defer import Deferred

from bssci import journal
from bssci.center.write_behind import WriteBehind
from bssci.model import EUI, Uplink
from bssci.system.clock import Clock

MAX_UNKNOWN = 100_000
"""unknown sensors whose activity is kept"""


class SensorActivity:
    """Activity of one sensor."""

    __slots__ = ("counts_from", "last_seen_at", "packet_counter", "uplink_count")

    def __init__(self, last_seen_at: float, packet_counter: int, uplink_count: int = 0) -> None:
        self.last_seen_at = last_seen_at
        """Unix seconds of the service center's clock"""
        self.packet_counter = packet_counter
        """the highest counter received since ``counts_from``"""
        self.uplink_count = uplink_count
        self.counts_from = 0.0
        """Unix seconds when the sensor reset its counter; earlier receptions are ignored for the counter"""


class Activities:
    """The activity of every sensor heard, configured or not."""

    def __init__(self, clock: Clock, store: journal.Journal, loaded: journal.Loaded) -> None:
        self._store = store
        self._of: dict[EUI, SensorActivity] = {
            eui: SensorActivity(stored.last_seen_at, stored.packet_counter, stored.uplink_count)
            for eui, stored in loaded.activities.items()
        }
        # Write all once: the next checkpoint would lose what was restored from events after the last one.
        self._behind = WriteBehind[EUI](clock, "sensor activity", self._write, through=loaded.last_seq)
        self._behind.update(self._of)

    def start(self) -> None:
        self._behind.start()

    def stop(self) -> Deferred[None] | None:
        return self._behind.stop()

    def get(self, eui: EUI) -> SensorActivity | None:
        return self._of.get(eui)

    def counters(self) -> dict[EUI, int]:
        """Return the highest packet counter of every sensor heard."""
        return {eui: activity.packet_counter for eui, activity in self._of.items()}

    def heard(self, uplinks: Iterable[Uplink], last_seq: int) -> None:
        """Take published uplinks into account; the last of them has number ``last_seq`` in the journal."""
        of, changed = self._of, self._behind.changed
        for uplink in uplinks:
            best = uplink.receptions[0]
            eui = best.end_point_eui
            activity = of.get(eui)
            if activity is None:
                if not uplink.known and len(of) >= MAX_UNKNOWN:
                    continue
                activity = of[eui] = SensorActivity(0.0, 0)
            activity.last_seen_at = uplink.at
            if best.received_at >= activity.counts_from:
                activity.packet_counter = max(activity.packet_counter, best.packet_counter)
            activity.uplink_count += 1
            changed[eui] = None
        self._behind.count_through(last_seq)

    def set_back(self, euis: Iterable[EUI], now: float) -> None:
        """Take sensors that were last heard in the future for heard now: the clock was set back since."""
        for eui in euis:
            activity = self._of.get(eui)
            if activity is not None and activity.last_seen_at > now:
                activity.last_seen_at = now
                self._behind.changed[eui] = None

    def restart_counter(self, eui: EUI, at: float) -> Callable[[], None]:
        """Note that a sensor attached over the air, and so counts from 0 again.

        :param at: Unix seconds of the attach; uplinks received earlier may still be published later.
        :return: a function that takes it back, for an attach that could not be stored; without effect if the
            sensor has attached once more.
        """
        activity = self._of.get(eui)
        if activity is None:
            return lambda: None
        before = activity.packet_counter, activity.counts_from
        activity.packet_counter, activity.counts_from = 0, at
        self._behind.changed[eui] = None
        # The answer to the attach request waits for a later commit than this one.
        self.store()

        def take_back() -> None:
            if activity.counts_from != at:
                return
            activity.packet_counter = max(activity.packet_counter, before[0])
            activity.counts_from = before[1]
            self._behind.changed[eui] = None

        return take_back

    def restart_counters(self, euis: Iterable[EUI], at: float) -> None:
        """Note that sensors have another network key, and so count from 0 again; stored later.

        :param at: Unix seconds since when they have it.
        """
        for eui in euis:
            activity = self._of.get(eui)
            if activity is not None:
                activity.packet_counter, activity.counts_from = 0, at
                self._behind.changed[eui] = None

    def store(self) -> Deferred[None] | None:
        """Write what has changed; return None if nothing has."""
        return self._behind.store()

    def _write(self, euis: Collection[EUI], through: int | None) -> Deferred[None]:
        rows: dict[EUI, journal.Activity | None] = {}
        for eui in euis:
            activity = self._of[eui]
            rows[eui] = journal.Activity(
                end_point_eui=eui,
                last_seen_at=activity.last_seen_at,
                packet_counter=activity.packet_counter,
                uplink_count=activity.uplink_count,
            )
        return self._store.tables.apply(journal.Activity, rows, through=through)
