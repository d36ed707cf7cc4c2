"""What the web admin works with: the service center as it sees it, and parts of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from bssci.center import ServiceCenter
from bssci.center.audit import Audit
from bssci.journal import Journal
from bssci.mqtt.trial import try_broker
from bssci.settings.configuration import Configuration
from bssci.settings.table import Settings
from bssci.system.clock import Clock
from bssci.web.http.guard import Guard
from bssci.web.live.feed import Feed
from bssci.web.live.live import Hub
from bssci.web.monitoring.figures import Figures
from bssci.web.monitoring.logbook import Logbook

if TYPE_CHECKING:
    from bssci.web.monitoring.probe import Probe

RunInThread = Callable[..., Deferred[Any]]


@dataclass(frozen=True)
class Outside:
    """What the service tells of the parts that the center does not know.

    :ivar listening: whether base stations can connect.
    :ivar refusals: who was not let in: address, reason, station (EUI or None), count, at (Unix seconds).
    :ivar refused_connections: how many of base stations were refused or given up since the start, by reason.
    :ivar take_certificates: looks whether their files changed; fires when new ones are in force for stations.
    :ivar try_broker: blocks until it knows what is wrong with the broker of some settings; empty: nothing.
    """

    listening: Callable[[], bool] = lambda: True
    refusals: Callable[[], list[dict[str, Any]]] = list
    refused_connections: Callable[[], Mapping[str, int]] = dict
    take_certificates: Callable[[], Deferred[None]] = lambda: succeed(None)
    try_broker: Callable[[Settings], str] = try_broker


@dataclass(frozen=True)
class Context:
    """Handed to every view and group of routes."""

    clock: Clock
    now: Callable[[], float]
    """Unix seconds"""
    center: ServiceCenter
    configuration: Configuration
    run_in_thread: RunInThread
    guard: Guard
    audit: Audit
    figures: Figures
    hub: Hub
    logbook: Logbook
    outside: Outside
    probe: Probe
    feed: Feed

    @property
    def journal(self) -> Journal:
        return self.center.journal

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.configuration.current

    @property
    def certificates(self) -> Path:
        """The directory of CERT_FILE."""
        return self.settings.cert_file.parent
