"""``/metrics`` for Prometheus, in a registry of its own: figures are gathered when the page is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bssci.certificates.store import CertificateStore
from bssci.stations.faults import code_text
from bssci.web.api.metrics_table import FIGURES, Figure
from bssci.web.context import Context

FigureValues = float | Mapping[Any, float]
"""a figure's value, or its values by that of its label, or by a tuple of those of its labels"""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CERTIFICATE_INTERVAL = 60.0
"""s between two looks at the files of certificates"""
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class RequestMetrics:
    """The web admin's own answers, counted and timed."""

    def __init__(self) -> None:
        self.answers = Counter(
            "bssci_web_answers", "Answers of the web admin.", ["method", "route", "status"], registry=None
        )
        self.seconds = Histogram(
            "bssci_web_seconds", "Time to answer.", buckets=REQUEST_BUCKETS, registry=None
        )

    def observe(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer to a request for the route of a path."""
        self.answers.labels(method, path, str(status)).inc()
        self.seconds.observe(seconds)


class FigureCollector(Collector):
    """Figures of :data:`bssci.web.api.metrics_table.FIGURES`, gathered when they are asked for."""

    def collect(self) -> Iterator[Metric]:
        for name, values in self.figures():
            yield _family(FIGURES[name], values)

    def figures(self) -> Iterator[tuple[str, FigureValues]]:
        """Yield each figure's name and values."""
        raise NotImplementedError


class ServiceCollector(FigureCollector):
    """Figures of the service."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def figures(self) -> Iterator[tuple[str, FigureValues]]:
        yield from self._network()
        yield from self._uplinks()
        yield from self._sinks()
        yield from self._decoders()
        yield from self._sources()
        yield from self._provisioned()
        yield from self._requests()
        yield from self._journal()
        yield from self._web()

    def _network(self) -> Iterator[tuple[str, FigureValues]]:
        center = self._context.center
        yield "bssci_info", {(center.version, center.eui): 1}
        yield "bssci_start_time_seconds", center.started_at
        yield "bssci_stations_connected", len(center.stations.connected())
        yield (
            "bssci_stations_known",
            sum(each.has_connected and not center.entries.is_blocked(each.eui) for each in center.stations),
        )
        yield "bssci_sensors", len(center.sensors)
        yield "bssci_station_receptions", center.ingest.received_by
        errors = {
            (station.eui, direction, code_text(number)): count
            for station in center.stations
            for (direction, number), count in station.faults.counts.items()
        }
        yield "bssci_station_errors", errors
        yield "bssci_station_connections_refused", self._context.outside.refused_connections()

    def _uplinks(self) -> Iterator[tuple[str, FigureValues]]:
        center = self._context.center
        statistics = center.deduplication.statistics
        yield "bssci_receptions", statistics.total_messages
        yield "bssci_duplicates", statistics.duplicate_messages
        yield "bssci_uplinks", statistics.published_messages
        yield "bssci_unknown_uplinks", center.unknown_uplinks
        yield "bssci_open_windows", center.deduplication.open_windows
        yield "bssci_downlinks", center.downlinks.statistics()

    def _sinks(self) -> Iterator[tuple[str, FigureValues]]:
        sinks = self._context.center.deliveries.statistics()
        yield "bssci_sink_backlog", _column(sinks, "queued")
        yield "bssci_sink_oldest_seconds", _column(sinks, "oldest_seconds")
        yield "bssci_sink_failing", _column(sinks, "failing")
        yield "bssci_sink_delivered", _column(sinks, "delivered")
        yield "bssci_sink_failures", _column(sinks, "failed")
        yield "bssci_sink_set_aside", _column(sinks, "set_aside")

    def _decoders(self) -> Iterator[tuple[str, FigureValues]]:
        decoders = self._context.outside.decoders
        if decoders is None:
            return
        report = decoders.report()
        payloads = {
            (name, outcome): figures[outcome]
            for name, figures in report["decoders"].items()
            for outcome in ("decoded", "failed")
        }
        yield "bssci_decoder_payloads", payloads
        yield "bssci_decoder_failing", _column(report["decoders"], "failing")
        yield "bssci_decoders_resting", len(report["resting"])
        yield "bssci_decoders_unusable", len(report["problems"])

    def _sources(self) -> Iterator[tuple[str, FigureValues]]:
        center = self._context.center
        sources = center.sources.statistics()
        telegrams = {
            (name, outcome): figures[outcome]
            for name, figures in sources.items()
            for outcome in ("kept", "repeated", "blocked", "passed_over", "refused", "rejected")
        }
        yield "bssci_source_telegrams", telegrams
        yield "bssci_source_waiting", _column(sources, "waiting")
        yield "bssci_source_held_back", _column(sources, "held_back")
        yield "bssci_source_journal_bytes", _column(sources, "journal_bytes")
        yield "bssci_source_failing", {name: bool(each["trouble"]) for name, each in sources.items()}
        gateways = {
            (kind, state): count
            for kind, states in center.gateways.counts().items()
            for state, count in states.items()
        }
        yield "bssci_gateways", gateways
        yield "bssci_devices", center.devices.counts()

    def _provisioned(self) -> Iterator[tuple[str, FigureValues]]:
        provisioned = self._context.center.provisioned
        yield "bssci_provisioned_devices", provisioned.counts()
        yield "bssci_provisioning", provisioned.outcomes
        end = provisioned.next_end()
        if end is not None:
            yield "bssci_provisioned_next_end_seconds", end

    def _requests(self) -> Iterator[tuple[str, FigureValues]]:
        sinks = self._context.center.deliveries.requests()
        yield "bssci_requests_backlog", _column(sinks, "queued")
        yield "bssci_requests_oldest_seconds", _column(sinks, "oldest_seconds")
        yield "bssci_requests_failing", _column(sinks, "failing")
        yield "bssci_requests_answered", _column(sinks, "answered")
        yield "bssci_requests_failed", _column(sinks, "failed")
        misaddressed = {name: figures.get("misaddressed", 0) for name, figures in sinks.items()}
        yield "bssci_requests_misaddressed", misaddressed

    def _journal(self) -> Iterator[tuple[str, FigureValues]]:
        journal = self._context.journal
        yield "bssci_events", journal.events.counts()
        statistics = journal.statistics
        usage = journal.usage()
        yield "bssci_journal_bytes", usage.size
        yield "bssci_journal_log_bytes", usage.log_size
        yield "bssci_journal_max_bytes", usage.max_size
        yield "bssci_journal_undelivered_bytes", usage.undelivered
        yield "bssci_journal_forgotten", statistics.forgotten
        yield "bssci_journal_unreadable", usage.unreadable
        yield "bssci_journal_last_seq", journal.events.last_seq
        yield "bssci_journal_commits", statistics.commits
        yield "bssci_journal_failed_commits", statistics.failed_commits
        yield "bssci_journal_rows", statistics.rows
        yield "bssci_journal_last_commit_seconds", statistics.last_commit_seconds
        yield "bssci_refusals", self._context.center.storing.refusals

    def _web(self) -> Iterator[tuple[str, FigureValues]]:
        yield "bssci_live_viewers", len(self._context.hub)
        yield "bssci_live_dropped", self._context.hub.dropped
        door = self._context.door
        yield "bssci_mqtt_clients", len(door)
        yield "bssci_mqtt_sessions", door.sessions
        yield "bssci_mqtt_messages", door.sent
        yield "bssci_mqtt_ended", {reason.replace(" ", "_"): count for reason, count in door.ended.items()}
        guard = self._context.guard
        yield "bssci_web_sessions", len(guard.sessions)
        yield "bssci_web_unreadable", guard.file.unreadable + guard.sessions.unreadable


class HealthCollector(FigureCollector):
    """Readiness, alarms and certificates, as of the last check."""

    def __init__(self, context: Context) -> None:
        self._alarms = context.center.alarms
        self._channels = context.outside.alarm_channels
        self.is_ready = False
        self.certificates: list[dict[str, Any]] = []

    def figures(self) -> Iterator[tuple[str, FigureValues]]:
        yield "bssci_ready", self.is_ready
        yield "bssci_alarms", self._alarms.by_severity()
        failing = {channel.name: bool(channel.trouble) for channel in self._channels()}
        yield "bssci_alarm_channel_failing", failing
        ends = {(each["file"], each["subject"]): each["not_after"] for each in self.certificates}
        yield "bssci_certificate_not_after_seconds", ends


class Metrics:
    """The page that Prometheus reads."""

    def __init__(self, context: Context, requests: RequestMetrics) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._context = context
        self._health = HealthCollector(context)
        self._read_at: float | None = None
        figures = context.figures
        for each in (
            ServiceCollector(context),
            self._health,
            figures.merging,
            requests.answers,
            requests.seconds,
        ):
            self._registry.register(each)
        ProcessCollector(registry=self._registry)

    async def page(self) -> bytes:
        """Return all figures in the text format of Prometheus."""
        self._health.is_ready = bool((await self._context.probe.look())["ready"])
        now = self._context.clock.seconds()
        if self._read_at is None or now - self._read_at >= CERTIFICATE_INTERVAL:
            self._read_at = now
            store = CertificateStore(self._context.certificate_files)
            self._health.certificates = await self._context.run_in_thread(_in_use, store)
        return generate_latest(self._registry)


def _in_use(store: CertificateStore) -> list[dict[str, Any]]:
    return store.inventory(bundles=False)


def _column(rows: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, float]:
    return {row: figures[name] for row, figures in rows.items()}


def _family(figure: Figure, values: FigureValues) -> Metric:
    make = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
    family = make(figure.name, figure.text, labels=figure.labels)
    for labels, value in (values if isinstance(values, Mapping) else {(): values}).items():
        family.add_metric((labels,) if isinstance(labels, str) else labels, float(value))
    return family
