"""Which base station hears a sensor best: learned from uplinks, and the way downlinks take.

The signal-to-noise ratio is smoothed for every sensor and station. The preferred station
changes only for one that is better by a margin, or when it has missed some uplinks in a row,
so that a sensor between two stations does not swing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.clock import Clock, Ticker
from bssci.journal import Journal
from bssci.model import EUI, Uplink

SMOOTHING = 0.25
"""weight of the newest uplink"""
HYSTERESIS = 3.0
"""dB by which another station must be better"""
MISSES = 3
"""uplinks in a row that the preferred station did not hear, but others did, until another one is preferred"""
LOWEST = float("-inf")
MAX_STATIONS = 8
"""remembered for a sensor"""
STORE_INTERVAL = 30.0
"""s between writes of what changed"""
STORE_SLICE = 2000
"""sensors that one write stores"""


class Path(msgspec.Struct, array_like=True, gc=False):
    """How one base station hears one sensor."""

    base_station_eui: EUI
    snr: float
    """dB, smoothed"""
    rssi: float
    """dBm, smoothed"""
    heard_at: float
    """Unix seconds"""


class SensorPaths(msgspec.Struct, array_like=True):
    """The base stations that hear one sensor."""

    by_station: dict[EUI, Path]
    preferred: EUI
    missed: int = 0
    """uplinks in a row that the preferred station did not hear"""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SensorPaths)


class Paths:
    """The paths of every configured sensor that was heard.

    :param connected: whether operations run with a base station.
    :ivar on_change: called with each sensor whose preferred station is another one now.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, connected: Callable[[EUI], bool]) -> None:
        self._journal = journal
        self._connected = connected
        self._of = _load(journal)
        self._changed: dict[EUI, None] = {}
        self._storing: Deferred[None] | None = None
        self._ticker = Ticker(clock, STORE_INTERVAL, self.store)
        self.on_change: Callable[[EUI], None] = lambda eui: None

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        """Write what is learned; the journal may be closed after that."""
        self._ticker.stop()
        for _ in range(0, len(self._changed), STORE_SLICE):
            self._store_slice()

    # learning

    def heard(self, uplinks: Sequence[Uplink]) -> None:
        """Take published uplinks; those of unknown sensors are passed over."""
        of, changed = self._of, self._changed
        for uplink in uplinks:
            if not uplink.known:
                continue
            receptions = uplink.receptions
            at = uplink.at
            eui = receptions[0].end_point_eui
            sensor = of.get(eui)
            if sensor is None:
                sensor = of[eui] = SensorPaths({}, receptions[0].base_station_eui)
                self.on_change(eui)
            by_station = sensor.by_station
            best: Path | None = None
            best_snr = LOWEST
            for reception in receptions:
                station = reception.base_station_eui
                path = by_station.get(station)
                if path is None:
                    snr = reception.snr
                    path = by_station[station] = Path(station, snr, reception.rssi, at)
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

    def _compare(self, eui: EUI, sensor: SensorPaths, preferred: Path | None, best: Path) -> None:
        """An uplink that came best by another path than the preferred one."""
        if preferred is not None and preferred.heard_at == best.heard_at:
            sensor.missed = 0
        else:
            sensor.missed += 1
        if preferred is None or sensor.missed >= MISSES or best.snr > preferred.snr + HYSTERESIS:
            sensor.preferred = best.base_station_eui
            sensor.missed = 0
            self.on_change(eui)

    def forget(self, euis: Iterable[EUI]) -> None:
        """Sensors that are no longer configured."""
        for eui in euis:
            if self._of.pop(eui, None) is not None:
                self._changed[eui] = None

    # questions

    def preferred(self, eui: EUI) -> EUI | None:
        """The station that hears a sensor best, connected or not; None if it was never heard."""
        sensor = self._of.get(eui)
        return None if sensor is None else sensor.preferred

    def snr(self, eui: EUI) -> float | None:
        """dB, smoothed, at the preferred station; None if the sensor was never heard."""
        sensor = self._of.get(eui)
        path = None if sensor is None else sensor.by_station.get(sensor.preferred)
        return None if path is None else path.snr

    def best_connected(self, eui: EUI) -> EUI | None:
        """The best of the connected stations that hear a sensor."""
        return next(filter(self._connected, self.ranked(eui)), None)

    def ranked(self, eui: EUI) -> list[EUI]:
        """The stations that hear a sensor, connected or not: the preferred one, then by signal."""
        sensor = self._of.get(eui)
        return [] if sensor is None else [path.base_station_eui for path in _ranked(sensor)]

    def hears(self, station: EUI, eui: EUI) -> bool:
        """Whether a station heard a sensor lately."""
        sensor = self._of.get(eui)
        return sensor is not None and station in sensor.by_station

    def report(self, eui: EUI) -> list[dict[str, Any]]:
        """For people: every path of a sensor, best first."""
        sensor = self._of.get(eui)
        if sensor is None:
            return []
        return [
            {
                "base_station_eui": path.base_station_eui,
                "snr": round(path.snr, 2),
                "rssi": round(path.rssi, 2),
                "last_heard_at": path.heard_at,
                "preferred": path.base_station_eui == sensor.preferred,
                "connected": self._connected(path.base_station_eui),
            }
            for path in _ranked(sensor)
        ]

    # storing

    def store(self) -> None:
        """Write what changed, a slice at a time, unless that is under way."""
        if self._changed and self._storing is None:
            self._storing = self._store_slice().addCallback(self._next_slice)

    def _next_slice(self, stored: bool) -> None:
        self._storing = None
        if stored:
            self.store()

    def _store_slice(self) -> Deferred[Any]:
        euis = list(islice(self._changed, STORE_SLICE))
        rows: list[tuple[EUI, bytes | None]] = []
        for eui in euis:
            del self._changed[eui]
            sensor = self._of.get(eui)
            rows.append((eui, None if sensor is None else _encoder.encode(sensor)))
        return self._journal.store_paths(rows).addCallbacks(
            lambda _: True, lambda failure: self._not_stored(failure, euis)
        )

    def _not_stored(self, failure: Failure, euis: list[EUI]) -> bool:
        self.log.warn("paths not stored, tried again {error}", error=failure.getErrorMessage())
        self._changed.update(dict.fromkeys(euis))
        return False


def _ranked(sensor: SensorPaths) -> list[Path]:
    return sorted(
        sensor.by_station.values(),
        key=lambda path: (path.base_station_eui == sensor.preferred, path.snr),
        reverse=True,
    )


def _forget_oldest(sensor: SensorPaths) -> None:
    """Make room: the path that was not used for the longest time goes, never the preferred one."""
    others = (path for path in sensor.by_station.values() if path.base_station_eui != sensor.preferred)
    oldest = min(others, key=lambda path: (path.heard_at, path.snr))
    del sensor.by_station[oldest.base_station_eui]


def _load(journal: Journal) -> dict[EUI, SensorPaths]:
    paths: dict[EUI, SensorPaths] = {}
    for eui, body in journal.load_paths().items():
        try:
            paths[eui] = _decoder.decode(body)
        except msgspec.DecodeError as error:
            Paths.log.warn("paths not readable, learned anew {eui} {error}", eui=eui, error=error)
    return paths
