"""The running service: opening all its parts in order at the start, and closing them at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci import __version__, extensions
from bssci.center.access import Access
from bssci.center.alarms.guard import AlarmGuard
from bssci.center.alarms.notices import Channel, Notices
from bssci.center.alarms.trial import AlarmTrial
from bssci.center.decoding.decoders import Decoders
from bssci.center.decoding.entered import entered
from bssci.center.devices.endpoints import EndpointsError
from bssci.center.reloads import Reloads
from bssci.center.service_center import ServiceCenter
from bssci.center.watching import watched_parts
from bssci.certificates.listening import ListenError, MutualTLSEndpoint, described_places, simple_place
from bssci.certificates.provisioning import Provisioning, is_of_device
from bssci.certificates.reading import CertificateError
from bssci.certificates.server import ServerTLS, StationFiles
from bssci.extensions import SINK, SOURCE, Installed
from bssci.journal import Journal, JournalError, Loaded, StorageError, open_journal
from bssci.model.commands import Actor
from bssci.model.counts import many
from bssci.notices.mail import MailChannel
from bssci.notices.webhook import WebhookChannel
from bssci.settings.configuration import Configuration
from bssci.settings.env_file import ENV_FILE
from bssci.settings.rows import SettingsError
from bssci.settings.table import Settings
from bssci.sinks.pump import Pump
from bssci.sinks.replays import Replays
from bssci.sources.running import RunningSource
from bssci.stations.admission import ConnectionLimits
from bssci.stations.protocol import StationFactory
from bssci.stations.tls import LimitedTLSFactory
from bssci.system import logs
from bssci.system.clock import use_boot_time
from bssci.system.descriptors import raise_limit, shortage
from bssci.system.files import sweep
from bssci.system.memory import collect_rarely
from bssci.system.notify import Watchdog, service_manager
from bssci.system.replacing import finish_replacement
from bssci.system.signals import end_at_interrupt, kept_signals, stop_once
from bssci.system.stopping import Deadline
from bssci.system.watching import FileWatch
from bssci.web.outside import Outside

STOP_TIME = 4.5
"""seconds that the parts of the service may take to stop"""
END_TIME = 4.9
"""seconds from the beginning of a stop to the end of the process, even if something hangs"""
LAST_TIME = 8
"""seconds after which SIGALRM ends it, should no Python code be able to run"""
MEGABYTE = 1024 * 1024
CHANNELS = ("ALARM_MAIL_", "ALARM_WEBHOOK_")
"""beginnings of the settings of the ways in which alarms are sent"""

START_ERRORS = (
    CertificateError,
    EndpointsError,
    JournalError,
    StorageError,
    SettingsError,
    ListenError,
)


class StartError(SystemExit, Exception):
    """The service cannot start.

    As an ``Exception`` it makes twistd remove its pid file and notify the parent of a daemon; as a
    ``SystemExit`` it ends the process with status 1 and without a traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = 1


class Web(Protocol):
    """The part of the web admin's interface that the service uses."""

    tls: ServerTLS | None

    async def listen(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> Deferred[Any]: ...


class BssciService(Service):
    """Everything that ``twistd bssci`` runs.

    Threads are started only in :meth:`privilegedStartService`, since twistd may fork before it.

    :param installed: the installed sinks, sources and decoders.
    """

    log = Logger()

    def __init__(self, reactor: Any, configuration: Configuration, installed: Installed) -> None:
        self.configuration = configuration
        self.settings = configuration.current
        self._installed = installed
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self._others: list[ServerTLS] = []
        """TLS of listening endpoints that have certificates of their own"""
        self._pumps: list[Pump] = []
        self._sources: list[RunningSource] = []
        self._manager = service_manager()
        self._is_stopped = False
        self._watches: list[FileWatch] = []
        self._watchdog: Watchdog | None = None
        self.journal: Journal | None = None
        self.web: Web | None = None
        self._make_web = _web_maker() if self.settings.web_port or self.settings.web_listen else None

    def privilegedStartService(self) -> None:
        """Open the journal, all other parts and the listening ports.

        :raises StartError: one of them cannot be opened; none is left open.
        """
        use_boot_time(self._reactor)
        end_at_interrupt(self._reactor)
        stop_once(self._reactor)
        try:
            wait_for(self._reactor, ensureDeferred(self._open()))
        except START_ERRORS as error:
            self._abandon()
            text = str(error).replace("\n", " ")
            self.log.critical("service not started: {error}", error=text)
            # By now twistd has redirected sys.stderr to the log.
            print(f"bssci: {text}", file=sys.__stderr__)
            raise StartError(text) from None
        super().privilegedStartService()

    async def _open(self) -> None:
        settings, reactor = self.settings, self._reactor
        _put_in_order(settings)
        _take_descriptors(settings)
        # Created before the files are read, so that later changes are noticed.
        self._watches = [
            FileWatch(reactor, lambda: [settings.sensor_config_file], self._sensors_changed),
            FileWatch(reactor, self.configuration.files, self._settings_changed),
        ]
        files = StationFiles(settings.cert_file, settings.key_file, settings.ca_file, settings.crl_file)
        self.tls = ServerTLS(reactor, files, deferToThread)
        sinks = self._installed.choose(settings.sinks)
        sources = self._installed.choose(settings.sources, SOURCE)
        journal = self.journal = open_journal(
            settings.state_dir, reactor, max_bytes=settings.journal_max_size * MEGABYTE
        )
        loaded = await journal.load()
        center = self.center = ServiceCenter(reactor, self.configuration, journal, loaded, time.time)
        await center.recover()
        self.reloads = Reloads(reactor, center.commands, center.sensors, self._all_tls)
        self._open_decoders()
        self._open_sinks(sinks, journal, loaded)
        self._open_sources(sources)
        self._watch_over(journal)
        await self._listen()
        if self._make_web is not None:
            self.web = self._make_web(reactor, center, self.configuration, self._outside(loaded))
            await self.web.listen()

    def _open_decoders(self) -> None:
        reactor, center = self._reactor, self.center
        self.decoders = Decoders(
            reactor,
            reactor.callFromThread,
            deferToThread,
            self.settings.decoder_dir,
            *extensions.build_decoders(self.settings),
            sensor=center.sensors.get,
            device=lambda id: entered(center.devices, id),
        )
        self.decoders.load()

    def _open_sinks(self, factories: Sequence[Any], journal: Journal, loaded: Loaded) -> None:
        """Build the sinks with their pumps and replays."""
        for factory in factories:
            access = Access(self.center, Actor(factory.name, factory.name))
            sink = extensions.build(SINK, factory, self.settings, access)
            cursor = loaded.cursors.get(factory.name)
            if cursor is None:
                cursor = loaded.last_seq
                journal.cursors.move(factory.name, cursor).addErrback(self._cursor_not_stored)
            pump = Pump(self._reactor, journal, factory.name, sink, cursor, time.time, self.decoders.decode)
            self._pumps.append(pump)
            self.center.deliveries.add(pump)
        journal.cursors.follow({pump.name: pump.cursor for pump in self._pumps})
        self.replays = Replays(
            self._reactor,
            journal,
            {pump.name: pump for pump in self._pumps},
            self.decoders.decode,
            loaded.replays,
            time.time,
        )

    def _cursor_not_stored(self, failure: Failure) -> None:
        self.log.warn("cursor of a new sink not stored {error}", error=failure.getErrorMessage())

    def _open_sources(self, factories: Sequence[Any]) -> None:
        for factory in factories:
            access = Access(self.center, Actor(factory.name, factory.name))
            source = RunningSource(
                self._reactor,
                factory.name,
                extensions.build(SOURCE, factory, self.settings, access),
                self.center.sources.door(factory.name),
            )
            self._sources.append(source)
            self.center.sources.add(source)

    def _watch_over(self, journal: Journal) -> None:
        """Create the guard that raises alarms, and the notifications about them."""
        center, configuration = self.center, self.configuration
        channels: list[Channel] = [
            MailChannel(self._reactor, lambda: configuration.current),
            WebhookChannel(self._reactor, lambda: configuration.current, time.time),
        ]
        self.alarm_trial = AlarmTrial(
            self._reactor, journal, center.alarms, channels, center.deliveries, center.eui, time.time
        )
        self.notices = Notices(
            self._reactor, center.alarms, channels, lambda: configuration.current, center.eui
        )
        of_channels = [name for name in configuration.catalogue.rows if name.startswith(CHANNELS)]
        configuration.watch(of_channels, lambda settings: self.notices.try_again())
        watched = watched_parts(
            center,
            listening=self._is_listening,
            decoders=self.decoders.report,
            channels=self.notices.states,
            used_certificates=self._all_tls,
        )
        self.guard = AlarmGuard(self._reactor, center.alarms, watched, time.time, deferToThread)

    def _outside(self, loaded: Loaded) -> Outside:
        return Outside(
            listening=self._is_listening,
            station_ports=self._station_ports,
            refused_connections=self._refused_connections,
            take_certificates=self.tls.check,
            decoders=self.decoders,
            replays=self.replays,
            alarm_trial=self.alarm_trial,
            alarm_channels=self.notices.states,
            live_sessions=loaded.live_sessions,
        )

    def _refused_connections(self) -> dict[str, int]:
        count = self.stations.count
        return {
            "too_many": count.refused,
            "handshake": count.failed_handshakes,
            "timeout": count.timed_out,
            "framing": count.closed_for_framing,
        }

    def _is_listening(self) -> bool:
        return bool(self._ports) and self.running == 1

    def _station_ports(self) -> list[int]:
        places = [each.getHost() for each in self._ports]
        return [each.port for each in places if isinstance(each, IPv4Address | IPv6Address)]

    async def _listen(self) -> None:
        settings, reactor, center = self.settings, self._reactor, self.center
        limits = ConnectionLimits(
            connections=settings.max_connections,
            connections_per_host=settings.max_connections_per_host,
            frame_size=settings.max_frame_size,
        )
        self.stations = StationFactory(
            reactor, center.registry, limits, settings.station_identity, center.refused_stations
        )
        places = described_places(reactor, "LISTEN", settings.listen) or [
            simple_place(reactor, "LISTEN_PORT", "LISTEN_HOST", settings.listen_host, port)
            for port in settings.listen_port
        ]
        for place in places:
            tls, endpoint, inner = self.tls, place.endpoint, place
            if isinstance(endpoint, MutualTLSEndpoint):
                inner = place._replace(endpoint=endpoint.inner)
                if endpoint.files is not None:
                    tls = ServerTLS(reactor, endpoint.files, deferToThread)
                    self._others.append(tls)
            factory = LimitedTLSFactory(tls, self.stations, reactor)
            self._ports.append(await inner.listen(factory))

    def _abandon(self) -> None:
        """Close what a failed start has opened."""
        for port in self._ports:
            port.stopListening()
        if self.journal is not None:
            self.journal.close()

    def startService(self) -> None:
        """Start every part of the service."""
        self.center.start()
        for tls in (self.tls, *self._others):
            tls.start()
        self.decoders.start()
        for pump in self._pumps:
            pump.start()
        for source in self._sources:
            source.start()
        self.replays.start()
        self.notices.start()
        self.guard.start()
        if self.web is not None:
            self.web.start()
        collect_rarely()
        for watch in self._watches:
            watch.start()
        assert self.journal is not None
        self._watchdog = Watchdog(self._reactor, self._manager, self.journal.settled)
        self._watchdog.start()
        actions: dict[int, Callable[[], object]] = {
            signal.SIGHUP: self._reload,
            signal.SIGUSR1: logs.rotate,
        }
        kept_signals.act(self._reactor, actions)
        deadline = Deadline(END_TIME, LAST_TIME, lambda: 0 if self._is_stopped else 1)
        self._reactor.addSystemEventTrigger("before", "shutdown", deadline.arm)
        super().startService()
        self._manager.ready(self._summary())
        self.log.info(
            "service {version} started as {eui}, ports {ports}, sensors {sensors}, sinks {sinks},"
            " sources {sources}, pid {pid}",
            version=__version__,
            eui=self.center.eui,
            ports=self._places(),
            sensors=len(self.center.sensors),
            sinks=list(self.settings.sinks),
            sources=list(self.settings.sources),
            pid=os.getpid(),
        )

    def _places(self) -> list[str]:
        """Return where base stations connect, for people."""
        return list(self.settings.listen) or [str(port) for port in self.settings.listen_port]

    def stopService(self) -> Deferred[None]:
        """Stop listening, disconnect stations, close windows, flush sinks, and close the journal."""
        super().stopService()
        self._manager.stopping()
        stopped = ensureDeferred(self._stop())
        return stopped.addTimeout(STOP_TIME, self._reactor).addErrback(self._not_stopped)

    async def _stop(self) -> None:
        for watch in self._watches:
            watch.stop()
        self.reloads.stop()
        self.guard.stop()
        self.notices.stop()
        for tls in (self.tls, *self._others):
            tls.stop()
        if self.web is not None:
            await self._step(self.web.stop)
        for port in self._ports:
            await self._step(port.stopListening)
        await gatherResults([self._step(source.stop) for source in self._sources])
        await self._step(self.center.stop_receiving)
        journal = self.journal
        assert journal is not None
        await self._step(journal.settled)
        await self._step(self.replays.stop)
        await gatherResults([self._step(pump.stop) for pump in self._pumps])
        await self._step(self.decoders.stop)
        await self._step(self.center.stop)
        await self._step(journal.close)
        if self._watchdog is not None:
            self._watchdog.stop()
        self._is_stopped = True
        self.log.info("service stopped")

    def _step(self, step: Callable[[], Any]) -> Deferred[None]:
        return maybeDeferred(step).addErrback(self._step_failed, step)

    def _step_failed(self, failure: Failure, step: Callable[[], Any]) -> None:
        name = step.__qualname__
        if failure.check(CancelledError):
            self.log.warn("a step of the stop took too long, the others follow {step}", step=name)
        elif failure.check(StorageError):
            self.log.error(
                "a step of the stop failed, the others follow {step} {error}", step=name, error=failure.value
            )
        else:
            self.log.failure("a step of the stop failed, the others follow {step}", failure, step=name)

    def _not_stopped(self, failure: Failure) -> None:
        self.log.warn("stopped before all steps were complete {error}", error=failure.getErrorMessage())

    def _reload(self) -> None:
        """Reload settings, certificates and sensors, and reopen the log."""
        self._manager.reloading()
        self.reloads.on_signal(lambda: self._manager.ready(self._summary()))

    def _settings_changed(self) -> None:
        self.reloads.settings_changed()

    def _sensors_changed(self) -> None:
        self.reloads.sensors_changed()

    def _all_tls(self) -> Iterator[ServerTLS]:
        yield from (self.tls, *self._others)
        if self.web is not None and self.web.tls is not None:
            yield self.web.tls

    def _summary(self) -> str:
        """Return one line about the service, for the service manager."""
        return f"{many(len(self.center.sensors), 'sensor')}, base stations on {', '.join(self._places())}"


def wait_for(reactor: Any, deferred: Deferred[None]) -> None:
    """Iterate a reactor that is not running yet until a Deferred has fired; raise its failure.

    twistd drops its privileges before it runs the reactor, and by then all ports must be open.
    """
    outcome: list[Failure | None] = []
    deferred.addBoth(outcome.append)
    while not outcome:
        reactor.iterate(0.1)
    if outcome[0] is not None:
        outcome[0].raiseException()


def _put_in_order(settings: Settings) -> None:
    """Finish or remove what an interrupted earlier run left behind. Blocks."""
    try:
        finish_replacement(settings.state_dir)
    except OSError as error:
        reason = f"{error.filename or settings.state_dir}: {error.strerror}"
        raise SettingsError(f"new certificates cannot be put in place, {reason}; make it writable") from error
    certificates = settings.cert_file.parent
    files = [settings.cert_file, settings.key_file, settings.ca_file, settings.sensor_config_file, ENV_FILE]
    directories = [
        settings.state_dir,
        settings.decoder_dir,
        Provisioning(settings.device_ca_file, settings.ca_file).registry_file.parent,
        *(path.parent for path in files),
        *certificates.glob("stations/*"),
    ]
    names = [path.name for path in files] + ["ca_key.pem", "accounts.json"]
    removed = sweep(directories, names, keep=is_of_device)
    for path in removed:
        BssciService.log.warn("removed {path}, left by a process that was killed", path=str(path))


def _take_descriptors(settings: Settings) -> None:
    lack = shortage(raise_limit(), settings.max_connections)
    if lack:
        BssciService.log.warn("{lack}", lack=lack)


def _web_maker() -> Callable[[Any, ServiceCenter, Configuration, Outside], Web]:
    """Import the web admin, half of all modules, early: before anything waits for the service."""
    from bssci.web.service import WebAdmin

    return WebAdmin
