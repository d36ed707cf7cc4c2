"""Unknown sensors: those that are heard but not configured, listed so that people can add them.

The list is written every 30 s: a crash loses what was heard since, a clean stop loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.devices.sensors import Sensors
from bssci.center.kept_bodies import read_bodies
from bssci.center.write_behind import WriteBehind
from bssci.journal import Journal, Loaded, UnknownRecord
from bssci.model import EUI, Uplink
from bssci.model.over_the_air import AttachRequest
from bssci.system.clock import Clock

MAX_SENSORS = 10_000
"""unknown sensors that are kept; beyond that the one that was not heard for the longest time is dropped"""
MAX_STATIONS = 8
"""base stations that are kept for each sensor"""


class Signal(msgspec.Struct, frozen=True, array_like=True):
    """Quality of a sensor's signal at a base station."""

    base_station_eui: EUI
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""
    at: float
    """Unix seconds"""


class UnknownSensor(msgspec.Struct, array_like=True):
    """A sensor that was heard but is not configured."""

    end_point_eui: EUI
    first_heard_at: float
    """Unix seconds"""
    last_heard_at: float
    """Unix seconds"""
    last: Signal
    """signal of the last message"""
    best: Signal
    """signal with the best SNR so far"""
    by_station: dict[EUI, Signal]
    """last signal at each station, in the order of time"""
    uplinks: int = 0
    attach_requests: int = 0
    """requests over the air; copies from several stations count once"""
    attach_counter: int | None = None
    """attach counter of the last attach request"""

    @property
    def count(self) -> int:
        """Return the number of messages of the sensor."""
        return self.uplinks + self.attach_requests


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UnknownSensor)


class UnknownSensors:
    """All sensors heard lately that endpoints.json lacks.

    :param sensors: configured sensors; one that becomes configured leaves the list.
    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        loaded: Loaded,
        sensors: Sensors,
        now: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._sensors = sensors
        self._now = now
        # In the order in which they were heard.
        kept = read_bodies("unknown sensor", loaded.unknown, _decoder).values()
        in_order = sorted(kept, key=lambda sensor: sensor.last_heard_at)
        self._of = {sensor.end_point_eui: sensor for sensor in in_order}
        self._behind = WriteBehind[EUI](clock, "unknown sensors", self._write, before=self._forget_configured)

    def start(self) -> None:
        self._behind.start()

    def stop(self) -> Deferred[None] | None:
        """Write pending changes; the journal may be closed after that."""
        return self._behind.stop()

    # learning

    def heard(self, uplinks: Iterable[Uplink]) -> None:
        """Take published uplinks; those of configured sensors are ignored."""
        for uplink in uplinks:
            if not uplink.known:
                best = uplink.receptions[0]
                sensor = self._heard(
                    Signal(best.base_station_eui, best.snr, best.rssi, uplink.at), best.end_point_eui
                )
                sensor.uplinks += 1
                for copy in uplink.receptions[1:]:
                    _add(sensor, Signal(copy.base_station_eui, copy.snr, copy.rssi, uplink.at))

    def asked_to_attach(self, request: AttachRequest) -> None:
        """Note that a station forwarded an attach request (§5.6)."""
        signal = Signal(request.base_station_eui, request.snr, request.rssi, self._now())
        sensor = self._heard(signal, request.end_point_eui)
        if sensor.attach_counter != request.attach_counter:
            sensor.attach_counter = request.attach_counter
            sensor.attach_requests += 1

    def _heard(self, signal: Signal, eui: EUI) -> UnknownSensor:
        """Record a message with its best signal; return its sensor."""
        self._behind.changed[eui] = None
        sensor = self._of.pop(eui, None)
        if sensor is None:
            if len(self._of) >= MAX_SENSORS:
                oldest = next(iter(self._of))
                del self._of[oldest]
                self._behind.changed[oldest] = None
            sensor = UnknownSensor(eui, signal.at, signal.at, signal, signal, {})
        self._of[eui] = sensor
        sensor.last_heard_at, sensor.last = signal.at, signal
        _add(sensor, signal)
        return sensor

    # questions

    def __len__(self) -> int:
        return len(self.listed())

    def get(self, eui: EUI) -> UnknownSensor | None:
        """Return an unknown sensor; None if it was not heard, or is configured."""
        return None if eui in self._sensors else self._of.get(eui)

    def listed(self) -> list[UnknownSensor]:
        """Return all unknown sensors, last heard first."""
        return [sensor for eui, sensor in reversed(self._of.items()) if eui not in self._sensors]

    # storing

    def _forget_configured(self) -> None:
        configured = [eui for eui in self._of if eui in self._sensors]
        for eui in configured:
            del self._of[eui]
        self._behind.update(configured)

    def _write(self, euis: Collection[EUI], through: int | None) -> Deferred[None]:
        return self._journal.tables.apply(UnknownRecord, {eui: self._record(eui) for eui in euis})

    def _record(self, eui: EUI) -> UnknownRecord | None:
        sensor = self._of.get(eui)
        return None if sensor is None else UnknownRecord(end_point_eui=eui, body=_encoder.encode(sensor))


def _add(sensor: UnknownSensor, signal: Signal) -> None:
    by_station = sensor.by_station
    by_station.pop(signal.base_station_eui, None)
    by_station[signal.base_station_eui] = signal
    if len(by_station) > MAX_STATIONS:
        del by_station[next(iter(by_station))]
    if signal.snr > sensor.best.snr:
        sensor.best = signal
