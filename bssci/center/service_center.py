"""The service center: creation, start and stop of its parts, and queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci import __version__
from bssci.center.alarms.alarms import Alarms
from bssci.center.attachments.attachments import Attachments
from bssci.center.attachments.over_the_air import Observer, OverTheAir
from bssci.center.audit import AuditLog
from bssci.center.commands import Commands
from bssci.center.deliveries import Deliveries
from bssci.center.devices import presence
from bssci.center.devices.gateway_commands import GatewayCommands
from bssci.center.devices.gateways import Gateways
from bssci.center.devices.presence import Presence
from bssci.center.devices.provisioned import ProvisionedDevices
from bssci.center.devices.registry import DeviceRegistry
from bssci.center.devices.sensors import Sensors
from bssci.center.downlinks.downlinks import DownlinkDesk
from bssci.center.own_eui import own_eui
from bssci.center.reports import SensorReports
from bssci.center.retention import Retention
from bssci.center.silence.listening import Listening
from bssci.center.silence.silence import SilenceWatch
from bssci.center.station_entries import StationEntries
from bssci.center.storing import Storing
from bssci.center.telegrams.sources import Sources
from bssci.center.telegrams.telegrams import Telegrams
from bssci.center.turns import Turns
from bssci.center.uplinks.activity import Activities
from bssci.center.uplinks.deduplication import Deduplication
from bssci.center.uplinks.ingest import Ingest
from bssci.center.uplinks.paths import Paths
from bssci.center.uplinks.unknown import UnknownSensor, UnknownSensors
from bssci.journal import Journal, Loaded
from bssci.model import EUI, AnyEvent, GatewayState, StationState, Telegram, Uplink
from bssci.model.over_the_air import AttachRequest
from bssci.settings.configuration import Configuration
from bssci.settings.table import Settings
from bssci.stations.directory import Stations, StationWatcher
from bssci.stations.downlinks import DownlinkMessages
from bssci.stations.entries import Entries
from bssci.stations.handlers import methods
from bssci.stations.over_the_air import OverTheAirMessages
from bssci.stations.questions import ReceptionQueries
from bssci.stations.refusals import Refusals
from bssci.stations.registry import Registry
from bssci.stations.station import Services
from bssci.stations.upkeep import Pings, Propagations, Statuses
from bssci.stations.uplinks import Uplinks
from bssci.stations.variable_mac import VariableMac
from bssci.system import logs
from bssci.system.clock import JUMP, Clock
from bssci.system.line_limit import LineLimit
from bssci.system.watchers import Watchers

LIVE = (
    "STATUS_INTERVAL",
    "DEDUPLICATION_DELAY",
    "RETENTION_DAYS",
    "LOG_LEVEL",
    "AUTO_DETACH_ENABLED",
    "AUTO_DETACH_TIMEOUT",
    "AUTO_DETACH_WARNING_TIMEOUT",
    "AUTO_DETACH_CHECK_INTERVAL",
    "SOURCE_RATE",
    "SOURCE_SHARE",
    "SOURCE_CHANGING_ADDRESSES",
)
"""settings whose changes the service center applies while it runs"""
RECOVERED = 2000
"""sensors whose registrations are loaded in one query, at the start"""


class ServiceCenter:
    """The service center, as the web admin sees it; sinks and sources use an :class:`Access` to it.

    :ivar commands: all commands that change something.
    :ivar deliveries: the sinks' deliveries, added as they are created.
    :ivar announcements: watchers of what sinks publish in addition to events, such as answers about
        settings, by topic and payload; nothing of it is stored.
    :ivar sources: the sources, added as they are created.

    :param now: returns Unix seconds.
    """

    log = Logger()
    version = __version__

    def __init__(
        self,
        clock: Clock,
        configuration: Configuration,
        journal: Journal,
        loaded: Loaded,
        now: Callable[[], float],
    ) -> None:
        settings = configuration.current
        self._started_at = now()
        self.now = now
        self._clock, self._began = clock, clock.seconds()
        self.configuration = configuration
        self.journal = journal
        self._receptions = loaded.receptions
        self.unanswered_requests = loaded.requests
        """unanswered requests of earlier runs, for the sinks and sources that received them"""
        self.eui = settings.sc_eui or own_eui(journal, loaded)
        self.storing = Storing(clock, journal)
        self.audit = AuditLog(journal, now)
        self.deliveries, self.announcements = Deliveries(journal), Watchers[[str, bytes]]("announcements")
        self.alarms = Alarms(clock, journal, loaded, now)
        self._turns = Turns()
        self.stations = Stations()
        self.entries = Entries(journal, loaded)
        """entries about base stations that people made"""
        self.refused_stations = Refusals(clock, journal, loaded, now)
        self._make_parts_for_sensors(clock, settings, loaded)
        self._make_parts_for_devices(clock, settings, loaded)
        self.variable_mac = VariableMac(clock, now)
        self._served: set[EUI] = set()
        self.registry = self._make_registry(clock, settings, loaded)
        self.commands = self._make_commands(clock)
        for watcher in (
            self.listening.station_changed,
            self.over_the_air.station_changed,
            self.downlinks.station_changed,
        ):
            self.stations.watch(watcher)
        self.stations.watch_gone(self.over_the_air.station_gone)
        self.stations.watch_forgotten(lambda state: self.ingest.forget(state.base_station_eui))
        self.retention = Retention(
            clock,
            journal,
            days=settings.retention_days,
            now=now,
            delivered=self.deliveries.delivered_seq,
            last_event_at=loaded.last_event_at,
        )
        configuration.watch(LIVE, self._reconfigure)
        self._lost_lines = LineLimit(clock.seconds)
        self.telegrams = 0
        """telegrams of devices other than mioty sensors, since the start"""
        self.unknown_uplinks = 0
        """uplinks of sensors that endpoints.json lacks, since the start"""

    # making the parts

    def _make_parts_for_sensors(self, clock: Clock, settings: Settings, loaded: Loaded) -> None:
        journal, now = self.journal, self.now
        self.sensors = Sensors(settings.sensor_config_file, deferToThread)
        self.activities = Activities(clock, journal, loaded)
        self.attachments = Attachments(
            clock, journal, loaded, self.sensors, self.activities, self.stations, self.started_at
        )
        self.paths = Paths(clock, journal, loaded, self.stations.is_connected)
        self._queries = ReceptionQueries(clock)
        self.downlinks = DownlinkDesk(
            clock,
            journal,
            loaded,
            self.sensors,
            self.paths,
            self._queries,
            station=self.stations.get,
            counter=self._counter,
            now=now,
        )
        self.listening = Listening(clock, journal, loaded, now)
        self.silence = SilenceWatch(
            clock,
            journal,
            loaded,
            sensors=self.sensors,
            activities=self.activities,
            attachments=self.attachments,
            listening=self.listening,
            now=now,
            turns=self._turns,
            enabled=settings.auto_detach_enabled,
            timeout=settings.auto_detach_timeout,
            warning_timeout=settings.auto_detach_warning_timeout,
            check_interval=settings.auto_detach_check_interval,
        )
        self.unknown = UnknownSensors(clock, journal, loaded, self.sensors, now)
        self.deduplication = Deduplication(
            clock,
            journal.events,
            delay=settings.deduplication_delay,
            sensors=self.sensors,
            counters=self.activities.counters(),
            now=now,
            began=self.attachments.began,
            published=self._published,
        )
        self.ingest = Ingest(journal, self.deduplication)
        self.over_the_air = OverTheAir(
            clock,
            self.sensors,
            self.attachments,
            self.activities,
            now,
            observer=_AttachObserver(self.silence, self.downlinks, self.unknown, self.deduplication),
        )
        self._reports = SensorReports(
            journal,
            attachments=self.attachments,
            silence=self.silence,
            activities=self.activities,
            paths=self.paths,
        )

    def _make_parts_for_devices(self, clock: Clock, settings: Settings, loaded: Loaded) -> None:
        """Make the parts for devices other than mioty sensors, and for their gateways and sources."""
        journal, now, configuration = self.journal, self.now, self.configuration
        self.devices = DeviceRegistry(clock, journal, loaded, now, settings.source_changing_addresses)
        self.provisioned = ProvisionedDevices(
            clock, lambda: configuration.current, now, deferToThread, self.audit.record_shell_change
        )
        telegrams = Telegrams(journal, loaded, self.ingest, self._heard_telegrams)
        self.presence = Presence(
            clock,
            lambda device: self.devices.known(device) is not None,
            lambda news: telegrams.take(presence.SOURCE, news, {})[1].addErrback(self._presence_lost),
            now,
        )
        self.sources = Sources(
            clock,
            journal,
            telegrams,
            rate=settings.source_rate,
            share=settings.source_share / 100,
            delivered_seq=self.deliveries.delivered_seq,
            judge=self.devices.judge,
        )
        self.gateways = Gateways(clock, journal, loaded, now, self.sources.can_send)
        self._gateway_commands = GatewayCommands(clock, self.gateways, self.sources, now)

    def _make_commands(self, clock: Clock) -> Commands:
        return Commands(
            clock=clock,
            audit=self.audit,
            turns=self._turns,
            sensors=self.sensors,
            attachments=self.attachments,
            silence=self.silence,
            paths=self.paths,
            downlinks=self.downlinks,
            alarms=self.alarms,
            station_entries=StationEntries(
                self.entries, self.stations, self.registry, self.refused_stations, self.now
            ),
            devices=self.devices,
            gateways=self.gateways,
            gateway_commands=self._gateway_commands,
            provisioned=self.provisioned,
            stations=self.stations,
            variable_mac=self.variable_mac,
            configuration=self.configuration,
            now=self.now,
        )

    def _make_registry(self, clock: Clock, settings: Settings, loaded: Loaded) -> Registry:
        parts = [
            Pings(),
            Uplinks(self.now),
            Statuses(self.now),
            Propagations(self.now),
            OverTheAirMessages(self.over_the_air),
            DownlinkMessages(self.downlinks.reports, self._queries),
            self.variable_mac,
        ]
        services = Services(
            clock=clock,
            now=self.now,
            journal=self.journal,
            wanted=self.attachments,
            ingest=self.ingest,
            refused=self.storing.refused,
            handlers=methods(parts, "handle_"),
            finishers=methods(parts, "finish_"),
            completers=methods(parts, "complete_"),
            cancellers=methods(parts, "cancel_"),
            registered=self.downlinks.registered,
            completed=self.over_the_air.completed,
            told=self.stations.told,
            served=self._served,
        )
        return Registry(self.stations, self.entries, services, loaded, self.eui, settings.status_interval)

    async def recover(self) -> None:
        """Restore the state of an earlier run from the journal, before :meth:`start`."""
        await self.paths.recover(self.sensors)
        euis = [sensor.eui for sensor in self.sensors]
        for first in range(0, len(euis), RECOVERED):
            states = await self.journal.sessions.registration_states(euis[first : first + RECOVERED])
            self._served.update(eui for eui, at in states.items() if "attached" in at.values())

    def start(self) -> None:
        """Resume what an earlier run left unfinished, and start all parts."""
        self.deduplication.recover(self._receptions)
        self._receptions = ()
        for part in (
            self.activities,
            self.attachments,
            self.paths,
            self.downlinks,
            self.listening,
            self.silence,
            self.unknown,
            self.refused_stations,
            self.devices,
            self.gateways,
            self.presence,
            self.provisioned,
            self.registry,
            self.retention,
        ):
            part.start()

    def stop_receiving(self) -> Deferred[None]:
        """Disconnect the stations and close the open windows; fires when uplinks are stored, or cannot be."""
        self.retention.stop()
        self.silence.stop()
        self.presence.stop()
        self.provisioned.stop()
        self.registry.stop()
        return self.deduplication.flush()

    async def stop(self) -> None:
        """Finish work in progress and write pending changes; the journal may be closed after that."""
        await self.downlinks.stop()
        parts = (self.paths, self.activities, self.attachments, self.listening, self.unknown)
        for part in (*parts, self.refused_stations):
            part.stop()
        await self.devices.stop()
        await self.gateways.stop()

    # questions

    def is_connected(self, eui: EUI) -> bool:
        """Return whether a base station is connected and operations run with it."""
        return self.stations.is_connected(eui)

    def station_states(self) -> list[StationState]:
        """Return the state of every base station that has ever connected."""
        return [station.state for station in self.stations if station.has_connected]

    def gateway_states(self) -> list[GatewayState]:
        """Return the state of every known scanner and controller."""
        return self.gateways.states()

    def watch_stations(self, watcher: StationWatcher) -> Callable[[], None]:
        """Call ``watcher`` when a station connects, disconnects or serves all sensors.

        :return: a function that ends the watch.
        """
        return self.stations.watch(watcher, also_told=True)

    def watch_forgotten(self, watcher: Callable[[StationState | GatewayState], None]) -> Callable[[], None]:
        """Call ``watcher`` with the last state of a station or gateway that is forgotten.

        :return: a function that ends the watch.
        """
        ends = [self.stations.watch_forgotten(watcher), self.gateways.watch_forgotten(watcher)]

        def end() -> None:
            for each in ends:
                each()

        return end

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        """Return registration, activity, signal and preferred path of a sensor as JSON values.

        :raises CommandError: ``unknown_sensor``.
        """
        self.commands.check_known([eui])
        return await self._reports.of(eui)

    def unknown_sensors(self) -> list[UnknownSensor]:
        """Return the sensors that were heard although endpoints.json lacks them, last heard first."""
        return self.unknown.listed()

    @property
    def started_at(self) -> float:
        """Unix seconds of the start, by the system clock as it is set now."""
        at = self.now() - self.uptime()
        if abs(at - self._started_at) >= JUMP:
            self._started_at = at
        return self._started_at

    def uptime(self) -> float:
        """Return the seconds since the start, whatever the system clock was set to meanwhile."""
        return self._clock.seconds() - self._began

    def health(self) -> dict[str, Any]:
        """Return the payload of ``health_check``."""
        queue = self.deliveries.statistics()
        has_trouble = any(sink["failing"] or sink["warning"] for sink in queue.values())
        return {
            "status": "degraded" if has_trouble or self.storing.is_failing() else "ok",
            "timestamp": self.now(),
            "base_stations": len(self.stations.connected()),
            "alarms": self.alarms.by_severity(),
            "queue": queue,
        }

    def report(self, event: AnyEvent) -> None:
        """Publish an event to the sinks, through the journal."""
        self.journal.events.append([event]).addErrback(self._lost, type(event).__name__)

    def _lost(self, failure: Failure, kind: str) -> None:
        if self._lost_lines.admit() is not None:
            self.log.error("event lost {kind} {error}", kind=kind, error=failure.getErrorMessage())

    # settings

    def _reconfigure(self, settings: Settings) -> None:
        self.registry.configure(settings.status_interval)
        self.deduplication.configure(settings.deduplication_delay)
        self.retention.configure(settings.retention_days)
        self.sources.configure(settings.source_rate, settings.source_share / 100)
        self.devices.configure(settings.source_changing_addresses)
        self.silence.configure(
            enabled=settings.auto_detach_enabled,
            timeout=settings.auto_detach_timeout,
            warning_timeout=settings.auto_detach_warning_timeout,
            check_interval=settings.auto_detach_check_interval,
        )
        logs.set_level(settings.log_level)

    # what the parts report

    def _published(self, uplinks: Sequence[Uplink], first_seq: int) -> None:
        self.unknown_uplinks += sum([not uplink.known for uplink in uplinks])
        self.activities.heard(uplinks, first_seq + len(uplinks) - 1)
        self.silence.heard(uplinks)
        self.unknown.heard(uplinks)
        self.paths.heard(uplinks, first_seq + len(uplinks) - 1)
        self.downlinks.heard(uplinks)

    def _heard_telegrams(self, telegrams: Sequence[Telegram]) -> None:
        heard = [telegram for telegram in telegrams if telegram.source != presence.SOURCE]
        self.devices.placed(telegram for telegram in telegrams if telegram.source == presence.SOURCE)
        self.telegrams += len(heard)
        self.devices.heard(heard)
        self.gateways.heard(heard)
        self.presence.heard(heard)
        self._gateway_commands.heard(heard)

    def _presence_lost(self, failure: Failure) -> None:
        self.log.warn("places of devices not stored {error}", error=failure.getErrorMessage())

    def _counter(self, eui: EUI) -> int | None:
        activity = self.activities.get(eui)
        return None if activity is None else activity.packet_counter


class _AttachObserver(Observer):
    """Passes attach events to the parts that they concern."""

    def __init__(
        self,
        silence: SilenceWatch,
        downlinks: DownlinkDesk,
        unknown: UnknownSensors,
        deduplication: Deduplication,
    ) -> None:
        self._silence = silence
        self._deduplication = deduplication
        self._downlinks = downlinks
        self._unknown = unknown

    def attached(self, eui: EUI, at: float) -> None:
        self._deduplication.restart(eui)
        self._silence.attached([eui], at, over_the_air=True)

    def registered(self, eui: EUI) -> None:
        self._downlinks.registered(eui)

    def unknown(self, request: AttachRequest) -> None:
        self._unknown.asked_to_attach(request)
