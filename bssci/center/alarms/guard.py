"""The guard: checks all conditions every few seconds, and passes those that hold to the alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.logger import Logger

from bssci.center.alarms import conditions as looks
from bssci.center.alarms.alarms import Alarms
from bssci.center.alarms.conditions import CertificateSpan, Condition, named
from bssci.center.alarms.judging import certificate_state, is_watched
from bssci.center.deliveries import Deliveries
from bssci.center.devices.sensors import Sensors
from bssci.center.silence.silence import SilenceWatch
from bssci.center.storing import Storing
from bssci.certificates.reading import CertificateError, certificate_span
from bssci.certificates.store import CertificateFiles, CertificateStore
from bssci.journal import Journal
from bssci.model import EUI
from bssci.model.events import StationState
from bssci.settings.table import Settings
from bssci.stations.directory import Stations
from bssci.stations.entries import Entries
from bssci.stations.refusals import Refusals
from bssci.stations.station import ConnectionState
from bssci.system.clock import Clock, Ticker, in_slices

INTERVAL = 5.0
"""s between two checks"""
SENSOR_INTERVAL = 60.0
"""s between two checks of all sensors"""
CERTIFICATE_INTERVAL = 60.0
"""s between two checks of the certificate files"""
LEARNED_AFTER = 600.0
"""s after the start before which what an earlier run has learned is not over"""
SLICE = 200
"""sensors that are checked in one turn of the reactor"""
STATIONS = 2000
"""base stations that are checked in one turn of the reactor"""
OF_STATIONS = frozenset({"station-offline", "station-unsteady", "protocol-errors"})
OF_REFUSALS = frozenset({"station-refused"})
OF_SINKS = frozenset({"sink-failing", "sink-backlog", "sink-warning"})
OF_JOURNAL = frozenset({"journal-failing", "journal-filling"})
OF_LISTENING = frozenset({"not-listening"})
OF_ENTRIES = frozenset({"endpoints-wrong"})
OF_DECODERS = frozenset({"decoder-rests", "decoder-unusable"})
OF_SENSORS = frozenset({"sensor-silent"})
OF_CERTIFICATES = frozenset({"certificate-ends"})
KINDS = frozenset[str]().union(
    OF_STATIONS,
    OF_REFUSALS,
    OF_SINKS,
    OF_JOURNAL,
    OF_LISTENING,
    OF_ENTRIES,
    OF_DECODERS,
    OF_SENSORS,
    OF_CERTIFICATES,
)
"""kinds of conditions that the guard itself checks"""

Look = Callable[[], Iterable[Condition]]


@dataclass(frozen=True)
class Watched:
    """Parts of the service that the guard checks."""

    journal: Journal
    storing: Storing
    stations: Stations
    entries: Entries
    refusals: Refusals
    sensors: Sensors
    silence: SilenceWatch
    deliveries: Deliveries
    started_at: float
    """Unix seconds"""
    settings: Callable[[], Settings]
    certificates: Callable[[], CertificateFiles]
    forecast: Callable[[], str] = lambda: ""
    """tells when the journal will be full"""
    listening: Callable[[], bool] = lambda: True
    decoders: Callable[[], Mapping[str, Any] | None] = lambda: None
    others: Mapping[str, Look] | None = None
    """further checks, by the kind of the conditions that each yields"""


class _Shown(NamedTuple):
    """The certificate that a base station has presented last."""

    eui: EUI
    name: str
    certificate: bytes
    """certificate (DER)"""
    is_offline: bool


class AlarmGuard:
    """Checks everything in :class:`Watched` at intervals.

    :param now: returns Unix seconds.
    :param run_in_thread: ``deferToThread``, in which certificates are read.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        alarms: Alarms,
        watched: Watched,
        now: Callable[[], float],
        run_in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._watched = watched
        self._now = now
        self._run_in_thread = run_in_thread
        self._looking = self._looking_far = False
        self._failing: frozenset[str] = frozenset()
        """kinds of conditions whose check failed the last time"""
        self._sensors_at = self._certificates_at = -CERTIFICATE_INTERVAL
        self._began_at = clock.seconds()
        self._ticker = Ticker(clock, INTERVAL, self._look)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            ensureDeferred(self._look_near()).addErrback(
                lambda failure: self.log.failure("check for alarms failed", failure)
            )
        if not self._looking_far:
            self._looking_far = True
            ensureDeferred(self._look_far()).addErrback(
                lambda failure: self.log.failure("check for alarms failed", failure)
            )

    async def _look_near(self) -> None:
        """Run the checks that look at memory only."""
        try:
            await self._evaluate(OF_STATIONS, self._of_stations)
            for kinds, look in self._looks():
                await self._evaluate(kinds, look)
        finally:
            self._looking = False

    async def _evaluate(self, kinds: frozenset[str], look: Callable[[], Any]) -> None:
        """Run a check; if it fails, its alarms stay as they are, and the others are checked all the same.

        :param look: returns the conditions that hold, or a coroutine for them.
        """
        is_new = self._clock.seconds() - self._began_at < LEARNED_AFTER
        try:
            found = list(await maybeDeferred(look))
            self._alarms.evaluate(kinds - looks.LEARNED if is_new else kinds, found)
        except Exception:
            if not kinds <= self._failing:
                self._failing |= kinds
                self.log.failure("check for alarms failed {kinds}", kinds=sorted(kinds))
        else:
            self._failing -= kinds

    def _looks(self) -> Iterator[tuple[frozenset[str], Look]]:
        watched, now = self._watched, self._now()
        yield OF_REFUSALS, lambda: looks.of_refusals(watched.refusals.listed(), now, self._state_of)
        yield (
            OF_SINKS,
            lambda: looks.of_sinks(watched.deliveries.statistics(), watched.settings().alarm_backlog_after),
        )
        yield OF_JOURNAL, self._of_journal
        yield OF_LISTENING, lambda: looks.of_listening(watched.listening())
        yield OF_ENTRIES, lambda: looks.of_wrong_entries(watched.sensors.wrong, watched.sensors.trouble)
        yield OF_DECODERS, lambda: looks.of_decoders(watched.decoders())
        for kind, look in (watched.others or {}).items():
            yield frozenset({kind}), look

    async def _of_stations(self) -> list[Condition]:
        watched, settings, now = self._watched, self._watched.settings(), self._now()
        is_blocked, patience = watched.entries.is_blocked, settings.alarm_station_offline_after
        found: list[Condition] = []
        async for few in in_slices(self._clock, list(watched.stations), STATIONS):
            found += looks.of_stations(few, is_blocked, watched.started_at, patience)
            found += looks.of_unsteady_stations(few, is_blocked, now)
            found += looks.of_protocol_errors(few, now)
        return found

    def _of_journal(self) -> Iterator[Condition]:
        watched = self._watched
        is_failing = watched.storing.is_failing()
        if is_failing:
            # What failed once may work again, which nobody learns unless something is written.
            watched.storing.refresh()
        return looks.of_journal(watched.journal.usage(), is_failing, watched.forecast())

    def _state_of(self, eui: EUI) -> StationState | None:
        station = self._watched.stations.get(eui)
        return station.state if station is not None else None

    async def _look_far(self) -> None:
        """Run the checks that take long, at their own intervals."""
        try:
            seconds = self._clock.seconds()
            if seconds - self._sensors_at >= SENSOR_INTERVAL:
                self._sensors_at = seconds
                await self._evaluate(OF_SENSORS, self._of_sensors)
            if seconds - self._certificates_at >= CERTIFICATE_INTERVAL:
                self._certificates_at = seconds
                await self._evaluate(OF_CERTIFICATES, self._of_certificates)
        finally:
            self._looking_far = False

    async def _of_sensors(self) -> list[Condition]:
        found: list[Condition] = []
        silence = self._watched.silence
        async for few in in_slices(self._clock, self._watched.sensors.all(), SLICE):
            for sensor in few:
                standing = silence.standing(sensor.eui)
                condition = looks.of_sensor(sensor, standing) if standing is not None else None
                if condition is not None:
                    found.append(condition)
        return found

    async def _of_certificates(self) -> list[Condition]:
        days = self._watched.settings().alarm_certificate_days
        now = self._now()
        spans = await self._run_in_thread(self._spans, self._shown(), now, days)
        return list(looks.of_certificates(spans, now, days))

    def _shown(self) -> list[_Shown]:
        """Return the certificates that base stations have presented.

        Stations that are away are included, since an expired certificate may be the reason.
        """
        return [
            _Shown(
                station.eui,
                named(station.state.name, station.eui),
                station.record.certificate,
                station.connection is ConnectionState.OFFLINE,
            )
            for station in self._watched.stations
            if station.record.certificate and not self._watched.entries.is_blocked(station.eui)
        ]

    def _spans(self, shown: Sequence[_Shown], now: float, days: float) -> list[CertificateSpan]:
        """Return the certificates that are in use. Blocks."""
        store = CertificateStore(self._watched.certificates())
        spans = [
            CertificateSpan(each["file"], each["name"], each["not_before"], each["not_after"])
            for each in store.inventory(bundles=False)
        ]
        for eui, name, der, is_offline in shown:
            try:
                begins_at, ends_at = certificate_span(der)
            except CertificateError as error:
                self.log.debug("certificate of a station unreadable {error}", error=error)
                continue
            # The bundle is read only where that matters: there may be thousands.
            bundle = store.bundle_end(eui) if certificate_state(begins_at, ends_at, now, days) else 0.0
            if is_watched(is_offline, ends_at, bundle, now):
                spans.append(
                    CertificateSpan(eui, f"Base station {name}", begins_at, ends_at, f"/stations/{eui}")
                )
        return spans
