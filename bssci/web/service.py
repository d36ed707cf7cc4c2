"""The web admin as a whole: how it is assembled, started and stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from bssci.center.certificate_commands import CertificateCommands
from bssci.center.service_center import ServiceCenter
from bssci.certificates.listening import described_places, simple_place
from bssci.certificates.server import ServerTLS, WebFiles
from bssci.journal import StorageError
from bssci.settings.configuration import Configuration
from bssci.system import memory
from bssci.system.clock import RunInThread, Ticker
from bssci.web.access.accounts import AccountFile
from bssci.web.access.attempts import Attempts
from bssci.web.access.sessions import SESSIONS_FILE, WebSessions
from bssci.web.access.uses import Uses
from bssci.web.api import openapi
from bssci.web.api.accounts import AccountRoutes
from bssci.web.api.alarms import AlarmRoutes
from bssci.web.api.certificates import CertificateRoutes
from bssci.web.api.controllers import ControllerRoutes
from bssci.web.api.decoders import DecoderRoutes
from bssci.web.api.devices import DeviceRoutes
from bssci.web.api.events import EventRoutes
from bssci.web.api.live_tokens import LiveTokenRoutes
from bssci.web.api.machine import MachineRoutes
from bssci.web.api.metrics import Metrics, RequestMetrics
from bssci.web.api.provisioned import ProvisionedRoutes
from bssci.web.api.readings import ReadingRoutes
from bssci.web.api.replays import ReplayRoutes
from bssci.web.api.sensors import SensorRoutes
from bssci.web.api.service import ServiceRoutes
from bssci.web.api.stations import StationRoutes
from bssci.web.context import Context
from bssci.web.door.door import Door
from bssci.web.door.upgrade import DOOR_PATH, Upgrade
from bssci.web.http.dispatch import Dispatcher
from bssci.web.http.errors import ApiError
from bssci.web.http.guard import Guard
from bssci.web.http.proxies import TrustedProxies
from bssci.web.http.routing import MAX_BODY, Route, routes_of
from bssci.web.http.secure import SecureFactory
from bssci.web.http.site import AdminSite, LimitedFactory
from bssci.web.http.static import StaticFiles
from bssci.web.live.feed import Feed, Watching
from bssci.web.live.live import Hub
from bssci.web.live.names import names_in
from bssci.web.monitoring.figures import Figures
from bssci.web.monitoring.logbook import Logbook
from bssci.web.monitoring.probe import Probe
from bssci.web.monitoring.sampler import Sampler
from bssci.web.outside import Outside
from bssci.web.pages.routes import PageRoutes
from bssci.web.pages.table import STATIC, compile_templates
from bssci.web.reports.facade import Views

REFRESH_INTERVAL = 10.0
"""s between checks whether the command line changed the accounts"""


class WebAdmin:
    """The pages and the API on WEB_HOST and WEB_PORT.

    :param now: Unix seconds.
    :raises bssci.settings.rows.SettingsError: the file of accounts in STATE_DIR is not readable.
    :raises bssci.certificates.reading.CertificateError: WEB_TLS is on and its files cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        center: ServiceCenter,
        configuration: Configuration,
        outside: Outside | None = None,
        now: Callable[[], float] = time.time,
        run_in_thread: RunInThread = deferToThread,
    ) -> None:
        settings = configuration.current
        outside = outside or Outside()
        self._reactor = reactor
        self._settings = settings
        self._ports: list[Any] = []
        self._stopping = Event()
        self.sessions = WebSessions(settings.state_dir / SESSIONS_FILE, reactor, now, run_in_thread)
        file = AccountFile(settings.state_dir, now)
        self._uses = Uses(settings.state_dir, reactor, now, run_in_thread)
        self.guard = Guard(file, self.sessions, Attempts(reactor), self._uses, run_in_thread)
        self.context = self._make_context(center, outside, now, run_in_thread)
        # Viewers of the stream of events make no further requests, which would notice a change of accounts.
        self._refresher = Ticker(reactor, REFRESH_INTERVAL, self._refresh_soon)
        self._refreshing = False
        self._sampler = Sampler(reactor, now, center, self.context.figures)
        self.tls: ServerTLS | None = None
        if settings.web_tls:
            certificate = settings.web_cert_file or settings.cert_file
            key = settings.web_key_file or settings.key_file
            self.tls = ServerTLS(reactor, WebFiles(certificate, key), run_in_thread)
        self.views = Views(self.context)
        self.site = self._site()

    def _make_context(
        self, center: ServiceCenter, outside: Outside, now: Callable[[], float], run_in_thread: RunInThread
    ) -> Context:
        reactor, figures = self._reactor, Figures(self._reactor, center)
        door = Door(
            reactor,
            center,
            self.guard,
            outside.live_sessions,
            outside.decode,
            outside.decode_stored,
            run_in_thread,
            now,
        )
        center.announcements.add(door.announced)
        if outside.replays is not None:
            outside.replays.listen(door.replayed)
        return Context(
            clock=reactor,
            now=now,
            center=center,
            configuration=center.configuration,
            run_in_thread=run_in_thread,
            guard=self.guard,
            audit=center.audit,
            figures=figures,
            hub=Hub(reactor, center.journal, outside.decode, names_in(center)),
            logbook=Logbook(),
            outside=outside,
            probe=Probe(center, outside),
            feed=Feed(reactor, center.journal, Watching(reactor, figures)),
            door=door,
        )

    def _site(self) -> AdminSite:
        requests = RequestMetrics()
        pages = PageRoutes(self.context, self.views)
        self.routes: list[Route] = [
            *routes_of(AccountRoutes(self.context, self.views)),
            *routes_of(AlarmRoutes(self.context, self.views)),
            *routes_of(LiveTokenRoutes(self.context, self.views)),
            *routes_of(ReplayRoutes(self.context)),
            *routes_of(SensorRoutes(self.context, self.views)),
            *StationRoutes(self.context, self.views).routes(),
            *routes_of(DecoderRoutes(self.context, self.views)),
            *routes_of(ControllerRoutes(self.context, self.views)),
            *routes_of(DeviceRoutes(self.context, self.views)),
            *routes_of(ProvisionedRoutes(self.context, self.views)),
            *routes_of(ReadingRoutes(self.context, self.views)),
            *routes_of(ServiceRoutes(self.context, self.views)),
            *routes_of(CertificateRoutes(self.context, self.views, self._certificate_commands())),
            *routes_of(EventRoutes(self.context, self.views)),
            *routes_of(self._machine_routes(requests)),
            *routes_of(StaticFiles(STATIC)),
            *pages.routes(),
        ]
        dispatcher = Dispatcher(self.routes, self.guard, pages.error, self._reactor.seconds, requests.observe)
        resource = dispatcher.resource()

        def max_body(request: Request, method: str, path: str) -> int:
            """Return the largest body of a request; more than usual only for somebody who is logged in."""
            route = dispatcher.find(method, path)
            known = self.guard.identify(request, is_seen=False) is not None
            return route.max_body if route is not None and known else MAX_BODY

        return AdminSite(
            self._reactor,
            resource,
            max_body,
            TrustedProxies(self._settings.trusted_proxies),
            {DOOR_PATH: Upgrade(self.context.door)},
        )

    def _certificate_commands(self) -> CertificateCommands:
        center = self.context.center
        return CertificateCommands(
            center.audit,
            self.context.configuration,
            center.stations,
            center.registry,
            self.context.run_in_thread,
            self._take_certificates,
            self.context.outside.station_ports,
        )

    def _machine_routes(self, requests: RequestMetrics) -> MachineRoutes:
        base_topic = self.context.configuration.current.value("BASE_TOPIC")
        metrics = Metrics(self.context, requests)
        return MachineRoutes(metrics, self._description, self.context.center.version, base_topic)

    def _description(self, cookie: str) -> dict[str, Any]:
        return openapi.openapi_document(self.routes, self.context.center.version, cookie)

    async def _take_certificates(self) -> None:
        await self.context.outside.take_certificates()
        if self.tls is not None:
            await self.tls.check()

    def _refresh_soon(self) -> None:
        """Refresh, unless an earlier refresh still waits for a slow disk."""
        if not self._refreshing:
            self._refreshing = True
            ensureDeferred(self._refresh()).addErrback(self._not_refreshed).addCallback(self._refreshed)

    def _refreshed(self, _: None) -> None:
        self._refreshing = False

    def _not_refreshed(self, failure: Failure) -> None:
        if failure.check(StorageError, ApiError):
            self.log.warn(
                "changes by the command line not yet in the audit log {error}",
                error=failure.getErrorMessage(),
            )
        else:
            self.log.failure("accounts not refreshed", failure)

    async def _refresh(self) -> None:
        """Load the changes by the command line, and record them in the audit log."""
        await self.guard.refresh()
        changes = self.guard.directory.changes
        for each in changes:
            await self.context.audit.record_shell_change(each)
        if changes:
            await self.guard.changed(self.guard.file.forget_changes, len(changes))

    async def listen(self) -> None:
        """Listen on WEB_LISTEN, or on WEB_PORT of WEB_HOST.

        :raises bssci.certificates.listening.ListenError: the port is taken, or the address is not one of
            this machine.
        """
        factory: Any = self.site
        if self.tls is not None:
            factory = SecureFactory(self.tls, False, factory, self._reactor)
        settings, limited = self._settings, LimitedFactory(factory, self.site.proxies)
        places = described_places(self._reactor, "WEB_LISTEN", settings.web_listen) or [
            simple_place(self._reactor, "WEB_PORT", "WEB_HOST", settings.web_host, settings.web_port)
        ]
        for place in places:
            self._ports.append(await place.listen(limited))

    @property
    def url(self) -> str:
        """URL at which a browser on this machine finds the web admin; after :meth:`listen`."""
        address = self._ports[0].getHost()
        if not hasattr(address, "port"):
            return str(address)  # a socket without a port, such as a Unix socket
        host = address.host
        shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{address.port}/"

    def start(self) -> None:
        """Start all parts; after :meth:`listen` and the start of the center."""
        context = self.context
        self._announce()
        # After the announcement, so that the log page does not show the set-up link.
        for part in (
            context.logbook,
            self.sessions,
            self._uses,
            context.figures,
            context.hub,
            context.feed,
            context.door,
            self._sampler,
            self._refresher,
        ):
            part.start()
        if self.tls is not None:
            self.tls.start()
        context.run_in_thread(_warm_up, self._stopping)

    def _announce(self) -> None:
        self.log.info("web admin on {url}", url=self.url)
        if self.guard.setup_secret:
            self.log.warn(
                "no account yet: open {url}setup?token={token}",
                url=self.url,
                token=quote(self.guard.setup_secret),
            )

    def stop(self) -> Deferred[Any]:
        """Stop listening, disconnect all viewers, and store the sessions; fires when this is done."""
        self._stopping.set()
        context = self.context
        for part in (
            self._refresher,
            self._sampler,
            context.feed,
            context.hub,
            context.figures,
            context.logbook,
        ):
            part.stop()
        if self.tls is not None:
            self.tls.stop()
        stopping = [self.sessions.stop(), self._uses.stop(), context.door.stop()]
        stopping += [maybeDeferred(port.stopListening) for port in self._ports]
        return gatherResults(stopping)


def _warm_up(stopping: Event) -> None:
    """Do in a thread what nobody's first look should wait for, and give back what the start freed."""
    compile_templates(stopping)
    memory.give_back()
