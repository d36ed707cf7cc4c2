"""The service as a whole: its state, and the dashboard with the one sentence that says how it is."""

from __future__ import annotations

from typing import Any

from bssci.web.context import Context
from bssci.web.views.certificates import CertificateViews
from bssci.web.views.history import ChartViews
from bssci.web.views.sensors import SensorViews
from bssci.web.views.stations import StationViews

OLD_BACKLOG = 60.0
"""s that the oldest event of a sink waits before that is a problem"""
LOW_DAYS = 30
"""days before its end a certificate is a problem"""


DELIVERIES = 200
"""batches of each sink of which the status tells when they were taken"""


class StatusViews:
    """Questions about the service."""

    def __init__(
        self,
        context: Context,
        sensors: SensorViews,
        stations: StationViews,
        certificates: CertificateViews,
        charts: ChartViews,
    ) -> None:
        self._context = context
        self._sensors = sensors
        self._stations = stations
        self._certificates = certificates
        self._charts = charts

    async def status(self) -> dict[str, Any]:
        """Whether it runs, what is connected and how far every sink is."""
        context, center, settings = self._context, self._context.center, self._context.settings
        statistics = center.deduplication.statistics
        context.probe.refresh()
        sinks = center.queue_statistics()
        return {
            "running": True,
            "version": center.version,
            "sc_eui": center.eui,
            "started_at": center.started_at,
            "uptime": context.now() - center.started_at,
            "timestamp": context.now(),
            "base_stations": {"connected": len(center.stations.connected()), "known": len(center.stations)},
            "sensors": {"total": len(center.sensors), "unknown": len(center.unknown_sensors())},
            "mqtt": {
                "enabled": "mqtt" in settings.sinks,
                "broker": settings.mqtt_broker,
                "port": settings.mqtt_port,
                "base_topic": settings.base_topic,
                "delivering": "mqtt" in sinks and not sinks["mqtt"]["failing"],
            },
            "tls": {
                "ports": list(settings.listen_port),
                "station_identity": settings.station_identity,
                "refused": dict(context.outside.refused_connections()),
            },
            "deduplication": {
                "total_messages": statistics.total_messages,
                "duplicate_messages": statistics.duplicate_messages,
                "published_messages": statistics.published_messages,
                "duplication_rate": statistics.duplication_rate,
                "open_windows": center.deduplication.open_windows,
                "delay": settings.deduplication_delay,
            },
            "uplink_rate": context.figures.uplink_rate(),
            "queue_statistics": sinks,
            "deliveries": {name: batches[-DELIVERIES:] for name, batches in center.deliveries().items()},
            "journal": {
                "size": context.journal.size(),
                "max_size": settings.journal_max_size * 1024 * 1024,
                "last_seq": context.journal.last_seq,
                "last_commit_seconds": context.journal.statistics.last_commit_seconds,
                "failed_commits": context.journal.statistics.failed_commits,
                "refusals": center.refusals,
                "writable": context.probe.journal_is_writable,
            },
            "live_viewers": len(context.hub),
        }

    async def dashboard(self, span: str = "hour") -> dict[str, Any]:
        """All that the first page shows."""
        status = await self.status()
        stations = (await self._stations.list())["counts"]
        sensors = (await self._sensors.list(per_page=1))["counts"]
        inventory = await self._certificates.status()
        ending = [each for each in inventory["certificates"] if each["days_left"] is not None]
        certificate = min(ending, key=lambda each: each["days_left"], default=None)
        problems = self._problems(status, stations, sensors, certificate)
        last_hour = await self._charts.total("uplinks", "hour")
        copies = status["deduplication"]
        uplinks = max(1, copies["published_messages"])
        return {
            "health": {
                "ok": not problems,
                "sentence": self._sentence(problems, stations),
                "problems": problems,
            },
            "guide": await self._guide(status, inventory, sensors["never seen"] < status["sensors"]["total"]),
            "stations": {"total": status["base_stations"]["known"], **stations},
            "sensors": {
                "total": status["sensors"]["total"],
                "unknown": status["sensors"]["unknown"],
                "attached": sensors["attached"],
                "detached": sensors["detached"],
                "warning": sensors["warning"],
                "failed": sensors["refused"],
                "never_seen": sensors["never seen"],
            },
            "uplinks": {"rate": status["uplink_rate"], "last_hour": last_hour},
            "duplicates": {
                "rate": copies["duplication_rate"],
                "average_stations": copies["total_messages"] / uplinks if copies["total_messages"] else None,
            },
            "broker": self._broker(status),
            "certificate": certificate,
            "sinks": [{"name": name, **figures} for name, figures in status["queue_statistics"].items()],
            "range": span,
            "charts": await self._charts.dashboard(span),
            "status": status,
        }

    def _problems(
        self,
        status: dict[str, Any],
        stations: dict[str, int],
        sensors: dict[str, int],
        certificate: dict[str, Any] | None,
    ) -> list[dict[str, str]]:
        found: list[tuple[bool, str, str, str]] = [
            (
                not status["journal"]["writable"],
                "error",
                "The journal cannot store: uplinks are refused, and base stations are told to keep them",
                "/logs?level=error",
            ),
            (not self._context.outside.listening(), "error", "Base stations cannot connect", "/logs"),
            (
                bool(status["base_stations"]["known"]) and not stations["online"],
                "error",
                "No base station is connected",
                "/stations",
            ),
            (
                stations["offline"] > 0 and stations["online"] > 0,
                "warning",
                f"{_many(stations['offline'], 'base station is', 'base stations are')} offline",
                "/stations?state=offline",
            ),
            (
                sensors["refused"] > 0,
                "warning",
                f"{_many(sensors['refused'], 'sensor is', 'sensors are')} refused by a base station",
                "/sensors?status=refused",
            ),
            (
                sensors["warning"] > 0,
                "warning",
                f"{_many(sensors['warning'], 'sensor is', 'sensors are')} silent and will be detached",
                "/sensors?status=warning",
            ),
        ]
        for name, sink in status["queue_statistics"].items():
            waits = sink["oldest_seconds"] > OLD_BACKLOG
            found.append(
                (
                    bool(sink["failing"]) or waits,
                    "error" if sink["failing"] else "warning",
                    _delivery(name, sink),
                    "/",
                )
            )
        if certificate is not None and certificate["days_left"] < LOW_DAYS:
            over = certificate["days_left"] < 0
            text = "has expired" if over else f"expires in {certificate['days_left']} days"
            found.append(
                (True, "error" if over else "warning", f"{certificate['name']} {text}", "/certificates")
            )
        return [
            {"severity": severity, "text": text, "href": href}
            for wrong, severity, text, href in found
            if wrong
        ]

    def _sentence(self, problems: list[dict[str, str]], stations: dict[str, int]) -> str:
        errors = [each for each in problems if each["severity"] == "error"]
        if errors:
            return errors[0]["text"] + (f", and {len(problems) - 1} more" if len(problems) > 1 else "") + "."
        if problems:
            return f"All runs, but {_many(len(problems), 'thing needs', 'things need')} attention."
        if not stations["online"]:
            return "The service is ready and waits for its first base station."
        return "All is well."

    def _broker(self, status: dict[str, Any]) -> dict[str, str]:
        mqtt = status["mqtt"]
        if not mqtt["enabled"]:
            return {"state": "off", "text": "MQTT is not among the sinks"}
        where = f"{mqtt['broker']}:{mqtt['port']}"
        return {"state": "ok" if mqtt["delivering"] else "error", "text": where}

    async def _guide(
        self, status: dict[str, Any], inventory: dict[str, Any], heard: bool
    ) -> list[dict[str, Any]]:
        """First steps, each done when it is really there."""
        uplinks = status["deduplication"]["published_messages"]
        broker = status["queue_statistics"].get("mqtt")
        return [
            {
                "title": "Certificates",
                "text": "The service center's certificate, which base stations trust.",
                "href": "/certificates",
                "action": "Make certificates",
                "done": any(each["file"] == "server" for each in inventory["certificates"]),
            },
            {
                "title": "MQTT broker",
                "text": "Where uplinks are published.",
                "href": "/config#MQTT_BROKER",
                "action": "Set the broker",
                "done": bool(broker and not broker["failing"]) or "mqtt" not in status["queue_statistics"],
            },
            {
                "title": "First base station",
                "text": "Make a bundle for it, and let it connect.",
                "href": "/certificates#bundle",
                "action": "Make a bundle",
                "done": status["base_stations"]["known"] > 0,
            },
            {
                "title": "First sensor",
                "text": "Add a sensor with its EUI and network key.",
                "href": "/sensors/new",
                "action": "Add a sensor",
                "done": status["sensors"]["total"] > 0,
            },
            {
                "title": "First uplink",
                "text": "Watch it arrive.",
                "href": "/live",
                "action": "Watch live",
                "done": uplinks > 0 or heard,
            },
        ]


def _delivery(name: str, sink: dict[str, Any]) -> str:
    waiting = _many(int(sink["queued"]), "event waits", "events wait")
    if not sink["failing"]:
        return f"{name} is behind: {waiting}"
    if sink["trouble"]:
        return f"{name} takes nothing, {waiting}: {sink['trouble']}"
    return f"{name} takes nothing: {waiting}"


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
