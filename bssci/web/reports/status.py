"""The service as a whole: its state, the verdict in one sentence, and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from twisted.internet.defer import DeferredLock, ensureDeferred

from bssci.center.alarms.conditions import condition_kind
from bssci.web.context import Context
from bssci.web.reports import health
from bssci.web.reports.alarms import AlarmViews
from bssci.web.reports.certificates import CertificateViews, Rows, by_end
from bssci.web.reports.history import ChartViews
from bssci.web.reports.sensors import SensorViews
from bssci.web.reports.stations import StationViews

FRESH = 5.0
"""s for which a verdict is reused, so that not every page view examines the whole service"""
CERTIFICATES_FRESH = 60.0
"""s for which the verdict does not read the certificates again"""
DELIVERIES = 200
"""newest batches of each sink whose times of delivery are reported"""


class _Look(NamedTuple):
    """State of the service at one moment, for finding problems."""

    status: dict[str, Any]
    stations: dict[str, int]
    """base stations by state"""
    sensors: dict[str, int]
    """sensors by status"""
    inventory: Rows
    """certificates in files"""
    certificates: Rows
    """certificates in use, the one that expires first at the front"""
    problems: list[health.HealthProblem]
    """the worst first"""
    watched: Rows
    """open alarms whose conditions are over"""


class StatusViews:
    """Reports on the service as a whole."""

    def __init__(
        self,
        context: Context,
        sensors: SensorViews,
        stations: StationViews,
        certificates: CertificateViews,
        charts: ChartViews,
        alarms: AlarmViews,
    ) -> None:
        self._context = context
        self._sensors = sensors
        self._stations = stations
        self._certificates = certificates
        self._charts = charts
        self._alarms = alarms
        self._verdict: dict[str, Any] = {}
        self._judged_at: float | None = None
        self._inventory: tuple[float, Rows] | None = None
        self._lock = DeferredLock()

    async def status(self) -> dict[str, Any]:
        """Return the state of the service: connections, counts and the progress of every sink."""
        context, center, settings = self._context, self._context.center, self._context.settings
        center.storing.refresh()
        sinks = center.deliveries.statistics()
        sensors = await self._about_sensors()
        return self._about_sinks() | {
            "running": True,
            "version": center.version,
            "sc_eui": center.eui,
            "started_at": center.started_at,
            "uptime": center.uptime(),
            "timestamp": context.now(),
            "base_stations": {
                "connected": len(center.stations.connected()),
                "known": sum(station.has_connected for station in center.stations),
            },
            "sensors": sensors,
            "tls": {
                "ports": list(settings.listen or settings.listen_port),
                "station_identity": settings.station_identity,
                "refused": dict(context.outside.refused_connections()),
            },
            "deduplication": self._about_deduplication(),
            "uplink_rate": context.figures.uplink_rate(),
            "queue_statistics": sinks,
            "sources": center.sources.statistics(),
            "request_statistics": center.deliveries.requests(),
            "deliveries": {
                name: batches[-DELIVERIES:] for name, batches in center.deliveries.taken().items()
            },
            "journal": self._about_journal(),
            "live_viewers": len(context.hub),
            "decoders": context.outside.decoders.report() if context.outside.decoders is not None else None,
        }

    def _about_sinks(self) -> dict[str, Any]:
        """Return for each sink that has settings, by name, where it delivers to and whether it is
        delivering.
        """
        values = self._context.settings.values()
        delivering = self._context.center.deliveries.delivering()
        return {
            group.chosen_by[1]: {
                "enabled": group.is_in_use(values),
                **group.about(values),
                "delivering": delivering.get(group.chosen_by[1], False),
            }
            for group in self._context.configuration.catalogue.groups
            if group.chosen_by is not None and group.chosen_by[0] == "SINKS"
        }

    async def _about_sensors(self) -> dict[str, int]:
        center, counts = self._context.center, await self._sensors.counts()
        return {
            "total": len(center.sensors),
            "unknown": len(center.unknown_sensors()),
            "wrong": len(center.sensors.wrong),
            "attached": counts["attached"],
            "detached": counts["detached"],
            "warning": counts["warning"],
            "auto_detached": counts["auto-detached"],
            "refused": counts["refused"],
            "never_seen": counts["unheard"],
        }

    def _about_deduplication(self) -> dict[str, float]:
        deduplication = self._context.center.deduplication
        statistics = deduplication.statistics
        return {
            "total_messages": statistics.total_messages,
            "duplicate_messages": statistics.duplicate_messages,
            "published_messages": statistics.published_messages,
            "duplication_rate": statistics.duplication_rate,
            "open_windows": deduplication.open_windows,
            "delay": self._context.settings.deduplication_delay,
        }

    def _about_journal(self) -> dict[str, Any]:
        center, journal, storing = self._context.center, self._context.journal, self._context.center.storing
        usage = journal.usage()
        return {
            "size": usage.size,
            "max_size": usage.max_size,
            "log_size": usage.log_size,
            "undelivered": usage.undelivered,
            "full_in_days": center.retention.days_left(),
            "unreadable": usage.unreadable,
            "last_seq": journal.events.last_seq,
            "last_commit_seconds": journal.statistics.last_commit_seconds,
            "failed_commits": journal.statistics.failed_commits,
            "refusals": storing.refusals,
            "writable": not storing.is_failing(),
            "trouble": storing.trouble,
        }

    async def verdict(self) -> dict[str, Any]:
        """Return the verdict on the service that every page shows; it is at most 5 s old."""
        return await self._lock.run(lambda: ensureDeferred(self._judged()))

    async def _judged(self) -> dict[str, Any]:
        now = self._context.clock.seconds()
        if self._judged_at is None or now - self._judged_at >= FRESH:
            self._judge(await self._look(CERTIFICATES_FRESH))
            self._judged_at = now
        return self._verdict

    def _judge(self, look: _Look) -> None:
        worst = look.problems[0].severity if look.problems else "ok"
        self._verdict = {
            "tone": worst,
            "text": health.short_verdict(look.problems, look.stations["online"], len(look.watched)),
            "sentence": health.health_sentence(look.problems, look.stations["online"], len(look.watched)),
            "brief": health.brief_verdict(look.problems, len(look.watched)),
        }

    async def _look(self, certificates_for: float) -> _Look:
        """Examine the service and find its problems.

        :param certificates_for: age in s up to which certificates are not read again.
        """
        status = await self.status()
        listed = await self._stations.list()
        sensors = (await self._sensors.list(per_page=1))["counts"]
        now = self._context.clock.seconds()
        if self._inventory is None or now - self._inventory[0] >= certificates_for:
            self._inventory = now, await self._certificates.inventory()
        inventory = self._inventory[1]
        certificates = by_end(inventory, listed["base_stations"], self._context.now())
        problems = health.worst_first(self._problems(status, listed["counts"], sensors, certificates))
        watched = self._alarms.watched()
        return _Look(status, listed["counts"], sensors, inventory, certificates, problems, watched)

    def _problems(
        self,
        status: Mapping[str, Any],
        stations: Mapping[str, int],
        sensors: Mapping[str, int],
        certificates: Rows,
    ) -> Iterator[health.HealthProblem]:
        """Yield the problems of the service, those of each of its parts together."""
        context, center, settings = self._context, self._context.center, self._context.settings
        alarms = [each for each in center.alarms.open() if center.alarms.calm_of(each) is None]
        has_offline_alarm = any(condition_kind(each.id) == "station-offline" for each in alarms)
        sinks = status["queue_statistics"]
        yield from health.of_service(status, context.outside.listening())
        yield from health.of_stations(stations, has_offline_alarm)
        yield from health.of_sensors(sensors)
        yield from health.of_sensor_file(self._sensors.wrong(1))
        yield from health.of_sinks(sinks, self._settings_of_sinks(), settings.alarm_backlog_after)
        yield from health.of_requests(status["request_statistics"])
        yield from health.of_sources(status["sources"])
        yield from health.of_gateways(center.gateways.counts())
        yield from health.of_decoders(status["decoders"])
        yield from health.of_provisioned(center.provisioned.counts(), center.provisioned.trouble)
        yield from health.of_certificates(certificates, context.now(), settings.alarm_certificate_days)
        yield from health.of_alarms(alarms)

    async def dashboard(self, span: str = "hour") -> dict[str, Any]:
        """Return everything that the dashboard shows.

        :raises ApiError: 422: there is no such range.
        """
        look = await self._look(0.0)
        status, stations, sensors, inventory, certificates, problems, watched = look
        self._judge(look)
        # With those of the last minute, which the samples do not hold yet: the rate counts them, too.
        last_hour = await self._charts.total("uplinks", "hour") + self._context.figures.unsampled_uplinks
        copies = status["deduplication"]
        uplinks = max(1, copies["published_messages"] + copies["open_windows"])
        return {
            "health": _health(problems, stations["online"], watched),
            "guide": await self._guide(status, inventory, sensors["unheard"] < status["sensors"]["total"]),
            "stations": {"total": status["base_stations"]["known"], **stations},
            "sensors": {
                "total": status["sensors"]["total"],
                "unknown": status["sensors"]["unknown"],
                "attached": sensors["attached"],
                "detached": sensors["detached"],
                "warning": sensors["warning"],
                "failed": sensors["refused"],
                "never_seen": sensors["unheard"],
            },
            "gateways": self._context.center.gateways.counts(),
            "devices": self._context.center.devices.counts(),
            "uplinks": {"rate": status["uplink_rate"], "last_hour": last_hour},
            "duplicates": {
                "rate": copies["duplication_rate"],
                "average_stations": copies["total_messages"] / uplinks if copies["total_messages"] else None,
            },
            "delivery": _delivery(status["queue_statistics"]),
            "certificate": certificates[0] if certificates else None,
            "sinks": [{"name": name, **figures} for name, figures in status["queue_statistics"].items()],
            "range": span,
            "charts": await self._charts.dashboard(span),
            "status": status,
        }

    def _settings_of_sinks(self) -> dict[str, str]:
        """Return the first setting of each sink in use that has settings, by the sink's name."""
        groups = self._context.configuration.catalogue.groups
        return {
            name: group.rows[0].name
            for name in self._context.settings.sinks
            for group in groups
            if group.chosen_by == ("SINKS", name)
        }

    async def _guide(self, status: dict[str, Any], inventory: Rows, heard: bool) -> list[dict[str, Any]]:
        """Return the first steps, each done when it is really there, and the least role that can do it."""
        uplinks = status["deduplication"]["published_messages"]
        settings = self._settings_of_sinks()
        # A sink that has taken events is set up, even while its other side is unreachable.
        last_seq = status["journal"]["last_seq"]
        unset = [
            name
            for name, sink in status["queue_statistics"].items()
            if name in settings and sink["failing"] and sink["queued"] >= last_seq
        ]
        first = settings.get(unset[0] if unset else next(iter(settings), ""), "SINKS")
        return [
            _step(
                "Certificates",
                "The service center's certificate, which base stations trust.",
                ("admin", "Make certificates", "/certificates"),
                any(each["file"] == "server" for each in inventory),
            ),
            _step(
                "Delivery",
                "Where uplinks go: a broker, a database, a file.",
                ("admin", "Set where uplinks go", f"/config#{first}"),
                not unset,
            ),
            _step(
                "First base station",
                "Make its bundle and let it connect.",
                ("admin", "Make a bundle", "/certificates#bundle"),
                status["base_stations"]["known"] > 0,
            ),
            _step(
                "First sensor",
                "Add a sensor with its EUI and network key.",
                ("operator", "Add a sensor", "/sensors/new"),
                status["sensors"]["total"] > 0,
            ),
            _step(
                "First uplink", "Watch it arrive.", ("viewer", "Watch live", "/live"), uplinks > 0 or heard
            ),
        ]


def _health(problems: Sequence[health.HealthProblem], online: int, watched: Rows) -> dict[str, Any]:
    """Return what is wrong, for the top of the dashboard.

    :param online: number of base stations that are online.
    """
    return {
        "ok": not problems,
        "sentence": health.health_sentence(problems, online, len(watched)),
        "problems": [each._asdict() for each in problems],
        "watched": [
            {name: each[name] for name in ("text", "href", "over_since", "closes_at")} for each in watched
        ],
    }


def _step(title: str, text: str, link: tuple[str, str, str], done: bool) -> dict[str, Any]:
    """Return one of the first steps.

    :param link: least role that can do it, words of the link, and its target.
    """
    role, action, href = link
    return {"title": title, "text": text, "href": href, "role": role, "action": action, "done": done}


def _delivery(sinks: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the state of delivery for its tile on the dashboard."""
    failing = [name for name, sink in sinks.items() if sink["failing"]]
    if failing:
        return {"state": "error", "text": f"{', '.join(failing)}: not delivering"}
    if any(sink["warning"] for sink in sinks.values()):
        return {"state": "warning", "text": ", ".join(sinks)}
    return {"state": "ok" if sinks else "off", "text": ", ".join(sinks) or "no sink chosen"}
