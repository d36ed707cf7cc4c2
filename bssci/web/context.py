"""The context of the web admin: the service center, and the parts that all groups of routes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bssci.center.audit import AuditLog
from bssci.center.service_center import ServiceCenter
from bssci.certificates.store import CertificateFiles
from bssci.journal import Journal
from bssci.settings.configuration import Configuration
from bssci.settings.table import Settings
from bssci.system.clock import Clock, RunInThread
from bssci.web.door.door import Door
from bssci.web.http.guard import Guard
from bssci.web.live.feed import Feed
from bssci.web.live.live import Hub
from bssci.web.monitoring.figures import Figures
from bssci.web.monitoring.logbook import Logbook
from bssci.web.monitoring.probe import Probe
from bssci.web.outside import Outside


@dataclass(frozen=True)
class Context:
    """The parts of the web admin and the service center, which every report and group of routes gets."""

    clock: Clock
    now: Callable[[], float]
    """Unix seconds"""
    center: ServiceCenter
    configuration: Configuration
    run_in_thread: RunInThread
    guard: Guard
    audit: AuditLog
    figures: Figures
    hub: Hub
    logbook: Logbook
    outside: Outside
    probe: Probe
    feed: Feed
    door: Door

    @property
    def journal(self) -> Journal:
        return self.center.journal

    @property
    def settings(self) -> Settings:
        """The current settings."""
        return self.configuration.current

    @property
    def certificate_files(self) -> CertificateFiles:
        """Paths of the certificates."""
        return self.configuration.catalogue.certificate_files(self.settings)
