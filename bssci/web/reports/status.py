"""The service as a whole: its state, and the dashboard with the one sentence that says how it is."""

from __future__ import annotations

from typing import Any

from bssci.web.context import Context
from bssci.web.reports import health
from bssci.web.reports.certificates import CertificateViews, by_end
from bssci.web.reports.history import ChartViews
from bssci.web.reports.sensors import SensorViews
from bssci.web.reports.stations import StationViews

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
        sinks, usage = center.deliveries.statistics(), context.journal.usage()
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
            "deliveries": {
                name: batches[-DELIVERIES:] for name, batches in center.deliveries.taken().items()
            },
            "journal": {
                "size": usage.size,
                "max_size": usage.max_size,
                "undelivered": usage.undelivered,
                "full_in_days": center.retention.days_left(),
                "unreadable": usage.unreadable,
                "last_seq": context.journal.events.last_seq,
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
        listed = await self._stations.list()
        stations = listed["counts"]
        sensors = (await self._sensors.list(per_page=1))["counts"]
        inventory = await self._certificates.status()
        certificates = by_end(inventory["certificates"], listed["base_stations"])
        problems = health.worst_first(
            [
                *health.of_service(status, self._context.outside.listening()),
                *health.of_stations(status["base_stations"]["known"], stations),
                *health.of_sensors(sensors),
                *health.of_sinks(status["queue_statistics"]),
                *health.of_certificates(certificates),
            ]
        )
        last_hour = await self._charts.total("uplinks", "hour")
        copies = status["deduplication"]
        uplinks = max(1, copies["published_messages"] + copies["open_windows"])
        return {
            "health": {
                "ok": not problems,
                "sentence": health.sentence(problems, stations["online"]),
                "problems": [each._asdict() for each in problems],
            },
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
            "uplinks": {"rate": status["uplink_rate"], "last_hour": last_hour},
            "duplicates": {
                "rate": copies["duplication_rate"],
                "average_stations": copies["total_messages"] / uplinks if copies["total_messages"] else None,
            },
            "broker": self._broker(status),
            "certificate": certificates[0] if certificates else None,
            "sinks": [{"name": name, **figures} for name, figures in status["queue_statistics"].items()],
            "range": span,
            "charts": await self._charts.dashboard(span),
            "status": status,
        }

    def _broker(self, status: dict[str, Any]) -> dict[str, str]:
        mqtt = status["mqtt"]
        if not mqtt["enabled"]:
            return {"state": "off", "text": "MQTT is not among the sinks"}
        where = f"{mqtt['broker']}:{mqtt['port']}"
        return {"state": "ok" if mqtt["delivering"] else "error", "text": where}

    async def _guide(
        self, status: dict[str, Any], inventory: dict[str, Any], heard: bool
    ) -> list[dict[str, Any]]:
        """First steps, each done when it is really there, and the least role that can do it."""
        uplinks = status["deduplication"]["published_messages"]
        broker = status["queue_statistics"].get("mqtt")
        # What the broker took shows that it is set, also while it is away.
        is_set = not broker or not broker["failing"] or broker["queued"] < status["journal"]["last_seq"]
        return [
            {
                "title": "Certificates",
                "text": "The service center's certificate, which base stations trust.",
                "href": "/certificates",
                "role": "admin",
                "action": "Make certificates",
                "done": any(each["file"] == "server" for each in inventory["certificates"]),
            },
            {
                "title": "MQTT broker",
                "text": "Where uplinks are published.",
                "href": "/config#MQTT_BROKER",
                "role": "admin",
                "action": "Set the broker",
                "done": is_set,
            },
            {
                "title": "First base station",
                "text": "Make a bundle for it, and let it connect.",
                "href": "/certificates#bundle",
                "role": "admin",
                "action": "Make a bundle",
                "done": status["base_stations"]["known"] > 0,
            },
            {
                "title": "First sensor",
                "text": "Add a sensor with its EUI and network key.",
                "href": "/sensors/new",
                "role": "operator",
                "action": "Add a sensor",
                "done": status["sensors"]["total"] > 0,
            },
            {
                "title": "First uplink",
                "text": "Watch it arrive.",
                "href": "/live",
                "role": "viewer",
                "action": "Watch live",
                "done": uplinks > 0 or heard,
            },
        ]
