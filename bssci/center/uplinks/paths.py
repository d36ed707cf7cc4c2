"""Paths: which base stations hear each sensor, and how well, learned from uplinks to route downlinks.

The signal-to-noise ratio is smoothed for each sensor and station. Another station becomes the preferred one
only if it is better by a margin, or if the preferred one has missed some uplinks in a row, so that a sensor
between two stations does not alternate. While the preferred station is away, the best of the others replaces
it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.kept_bodies import read_bodies
from bssci.center.write_behind import WriteBehind
from bssci.journal import Journal, Loaded, PathRecord
from bssci.model import EUI, Uplink
from bssci.system.clock import Clock
from bssci.system.watchers import Watchers

SMOOTHING = 0.25
"""weight of the newest uplink"""
HYSTERESIS = 3.0
"""dB by which another station must be better to be preferred"""
MISSES = 3
"""uplinks in a row, heard by others only, after which another station is preferred"""
LOWEST = float("-inf")
MAX_STATIONS = 8
"""base stations that are kept for each sensor"""
STORE_SLICE = 2000
"""sensors that are stored in one commit"""
REPLAY = 5000
"""events that are read at a time, at the start"""


class ReceptionPath(msgspec.Struct, array_like=True, gc=False):
    """Quality of one sensor's reception at one base station."""

    base_station_eui: EUI
    snr: float
    """dB, smoothed"""
    rssi: float
    """dBm, smoothed"""
    heard_at: float
    """Unix seconds"""


class SensorPaths(msgspec.Struct, array_like=True):
    """The base stations that hear one sensor."""

    by_station: dict[EUI, ReceptionPath]
    preferred: EUI
    missed: int = 0
    """uplinks in a row that the preferred station did not hear"""

    def heard_at(self) -> float:
        """Return the Unix seconds of the last uplink that was taken into account."""
        return max(path.heard_at for path in self.by_station.values())


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SensorPaths)


class Paths:
    """The paths of all configured sensors that were heard.

    :param connected: returns whether operations run with a base station.
    """

    log = Logger()

    def __init__(
        self, clock: Clock, journal: Journal, loaded: Loaded, connected: Callable[[EUI], bool]
    ) -> None:
        self._journal = journal
        self._connected = connected
        self._of = read_bodies("paths", loaded.paths, _decoder)
        self._watchers = Watchers[[EUI]]("paths")
        self._last_seq = loaded.paths_seq
        self._behind = WriteBehind[EUI](
            clock, "paths", self._write, slice_size=STORE_SLICE, through=loaded.paths_seq
        )

    def start(self) -> None:
        self._behind.start()

    def stop(self) -> None:
        """Write pending changes; the journal may be closed after that."""
        self._behind.stop()

    def watch(self, watcher: Callable[[EUI], None]) -> None:
        """Call ``watcher`` with each sensor that gets a new path, or another preferred station."""
        self._watchers.add(watcher)

    # learning

    async def recover(self, configured: Container[EUI]) -> None:
        """Take uplinks into account that were published after the last write; to be called first.

        :param configured: the present sensors; others, removed while the service was down, are forgotten.
        """
        while events := await self._journal.events.read(self._last_seq, REPLAY):
            uplinks = [event for _, event in events if isinstance(event, Uplink)]
            self.heard([each for each in uplinks if not self._is_learned(each)], events[-1][0])
        self.forget([eui for eui in self._of if eui not in configured])

    def _is_learned(self, uplink: Uplink) -> bool:
        sensor = self._of.get(uplink.end_point_eui)
        return sensor is not None and uplink.at <= sensor.heard_at()

    def heard(self, uplinks: Sequence[Uplink], last_seq: int) -> None:
        """Take published uplinks into account, up to event ``last_seq``; unknown sensors are ignored."""
        self._last_seq = last_seq
        self._behind.count_through(last_seq)
        of, changed = self._of, self._behind.changed
        for uplink in uplinks:
            if not uplink.known:
                continue
            receptions = uplink.receptions
            at = uplink.at
            eui = receptions[0].end_point_eui
            sensor = of.get(eui)
            if sensor is None:
                sensor = of[eui] = SensorPaths({}, receptions[0].base_station_eui)
            by_station = sensor.by_station
            best: ReceptionPath | None = None
            best_snr = LOWEST
            for reception in receptions:
                station = reception.base_station_eui
                path = by_station.get(station)
                if path is None:
                    snr = reception.snr
                    path = by_station[station] = ReceptionPath(station, snr, reception.rssi, at)
                    self._watchers.tell(eui)
                else:
                    snr, rssi = path.snr, path.rssi
                    path.snr = snr = snr + SMOOTHING * (reception.snr - snr)
                    path.rssi = rssi + SMOOTHING * (reception.rssi - rssi)
                    path.heard_at = at
                if snr > best_snr:
                    best, best_snr = path, snr
            changed[eui] = None
            preferred = by_station.get(sensor.preferred)
            if best is preferred:
                sensor.missed = 0
            else:
                assert best is not None
                self._compare(eui, sensor, preferred, best)
            if len(by_station) > MAX_STATIONS:
                _forget_oldest(sensor)

    def _compare(
        self, eui: EUI, sensor: SensorPaths, preferred: ReceptionPath | None, best: ReceptionPath
    ) -> None:
        """Compare the preferred path with the best one of an uplink, and change the preference if due."""
        if preferred is not None and preferred.heard_at == best.heard_at:
            sensor.missed = 0
        else:
            sensor.missed += 1
        if preferred is None or sensor.missed >= MISSES or best.snr > preferred.snr + HYSTERESIS:
            sensor.preferred = best.base_station_eui
            sensor.missed = 0
            self._watchers.tell(eui)

    def forget(self, euis: Iterable[EUI]) -> None:
        """Forget sensors that are no longer configured."""
        for eui in filter(self._of.__contains__, euis):
            del self._of[eui]
            self._behind.changed[eui] = None

    # questions

    def preferred(self, eui: EUI) -> EUI | None:
        """Return the preferred or best connected station that hears a sensor; None if there is none."""
        best = self._best(eui)
        return best.base_station_eui if best and self._connected(best.base_station_eui) else None

    def snr(self, eui: EUI) -> float | None:
        """Return the smoothed SNR in dB at the preferred or best station; None: the sensor was not heard."""
        best = self._best(eui)
        return None if best is None else best.snr

    def ranked(self, eui: EUI) -> list[EUI]:
        """Return the stations that hear a sensor: connected ones first, then the preferred, then by SNR."""
        return [path.base_station_eui for path in self._ranked(eui)]

    def _best(self, eui: EUI) -> ReceptionPath | None:
        sensor = self._of.get(eui)
        if sensor is None:
            return None
        chosen = sensor.by_station.get(sensor.preferred)
        if chosen is not None and self._connected(sensor.preferred):
            return chosen
        return self._ranked(eui)[0]

    def _ranked(self, eui: EUI) -> list[ReceptionPath]:
        sensor = self._of.get(eui)
        if sensor is None:
            return []
        connected, chosen = self._connected, sensor.preferred
        return sorted(
            sensor.by_station.values(),
            key=lambda path: (
                connected(path.base_station_eui),
                path.base_station_eui == chosen,
                path.snr,
            ),
            reverse=True,
        )

    def hears(self, station: EUI, eui: EUI) -> bool:
        """Return whether a station heard a sensor lately."""
        sensor = self._of.get(eui)
        return sensor is not None and station in sensor.by_station

    def report(self, eui: EUI) -> list[dict[str, Any]]:
        """Return all paths of a sensor as JSON values, best first."""
        preferred = self.preferred(eui)
        return [
            {
                "base_station_eui": path.base_station_eui,
                "snr": round(path.snr, 2),
                "rssi": round(path.rssi, 2),
                "last_heard_at": path.heard_at,
                "preferred": path.base_station_eui == preferred,
                "connected": self._connected(path.base_station_eui),
            }
            for path in self._ranked(eui)
        ]

    # storing

    def store(self) -> Deferred[None] | None:
        """Write what has changed; return None if nothing has."""
        return self._behind.store()

    def _write(self, euis: Collection[EUI], through: int | None) -> Deferred[None]:
        rows = {eui: self._record(eui) for eui in euis}
        return self._journal.tables.apply(PathRecord, rows, through=through)

    def _record(self, eui: EUI) -> PathRecord | None:
        sensor = self._of.get(eui)
        return None if sensor is None else PathRecord(end_point_eui=eui, body=_encoder.encode(sensor))


def _forget_oldest(sensor: SensorPaths) -> None:
    """Drop the path that was not heard on for the longest time, but never the preferred one."""
    others = (path for path in sensor.by_station.values() if path.base_station_eui != sensor.preferred)
    oldest = min(others, key=lambda path: (path.heard_at, path.snr))
    del sensor.by_station[oldest.base_station_eui]
