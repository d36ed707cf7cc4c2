"""``/metrics`` for Prometheus, in a registry of its own: figures are gathered when the page is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bssci.certificates.store import CertificateStore
from bssci.stations.faults import code_text
from bssci.web.context import Context

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


class ServiceCollector(Collector):
    """Figures of the service, read when they are asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        yield from self._network()
        yield from self._uplinks()
        yield from self._sinks()
        yield from self._decoders()
        yield from self._sources()
        yield from self._provisioned()
        yield from self._requests()
        yield from self._journal()
        yield from self._web()

    def _network(self) -> Iterator[Metric]:
        center = self._context.center
        yield _gauge("bssci_info", "The service.", 1, version=center.version, sc_eui=center.eui)
        yield _gauge("bssci_start_time_seconds", "Unix time of the start.", center.started_at)
        yield _gauge("bssci_stations_connected", "Base stations connected.", len(center.stations.connected()))
        yield _gauge(
            "bssci_stations_known",
            "Base stations that ever connected, without those that are blocked.",
            sum(each.has_connected and not center.entries.is_blocked(each.eui) for each in center.stations),
        )
        yield _gauge("bssci_sensors", "Configured sensors.", len(center.sensors))
        by_station = CounterMetricFamily(
            "bssci_station_receptions", "Uplink copies by the station that received them.", labels=["station"]
        )
        for eui, count in center.ingest.received_by.items():
            by_station.add_metric([eui], count)
        yield by_station
        errors = CounterMetricFamily(
            "bssci_station_errors",
            "Protocol errors between a base station and the service: sent to it, or received from it.",
            labels=["station", "direction", "code"],
        )
        for station in center.stations:
            for (direction, number), count in station.faults.counts.items():
                errors.add_metric([station.eui, direction, code_text(number)], count)
        yield errors
        refused = CounterMetricFamily(
            "bssci_station_connections_refused",
            "Connections of base stations refused, or closed for cause.",
            labels=["reason"],
        )
        for reason, count in self._context.outside.refused_connections().items():
            refused.add_metric([reason], count)
        yield refused

    def _uplinks(self) -> Iterator[Metric]:
        center = self._context.center
        statistics = center.deduplication.statistics
        yield _counter("bssci_receptions", "Uplink copies received.", statistics.total_messages)
        yield _counter("bssci_duplicates", "Copies merged.", statistics.duplicate_messages)
        yield _counter("bssci_uplinks", "Uplinks published.", statistics.published_messages)
        yield _counter("bssci_unknown_uplinks", "Uplinks of unknown sensors.", center.unknown_uplinks)
        yield _gauge("bssci_open_windows", "Uplinks waiting for copies.", center.deduplication.open_windows)
        downlinks = GaugeMetricFamily("bssci_downlinks", "Downlinks by state.", labels=["state"])
        for state, count in center.downlinks.statistics().items():
            downlinks.add_metric([state], count)
        yield downlinks

    def _sinks(self) -> Iterator[Metric]:
        queued = GaugeMetricFamily("bssci_sink_backlog", "Events not delivered yet.", labels=["sink"])
        oldest = GaugeMetricFamily(
            "bssci_sink_oldest_seconds", "Age of the oldest of them in seconds.", labels=["sink"]
        )
        failing = GaugeMetricFamily(
            "bssci_sink_failing", "1 if the last delivery failed, or none is possible now.", labels=["sink"]
        )
        delivered = CounterMetricFamily("bssci_sink_delivered", "Events delivered.", labels=["sink"])
        failed = CounterMetricFamily("bssci_sink_failures", "Deliveries that failed.", labels=["sink"])
        aside = CounterMetricFamily(
            "bssci_sink_set_aside", "Events that a sink cannot store and skipped.", labels=["sink"]
        )
        for name, figures in self._context.center.deliveries.statistics().items():
            queued.add_metric([name], figures["queued"])
            oldest.add_metric([name], figures["oldest_seconds"])
            failing.add_metric([name], float(figures["failing"]))
            delivered.add_metric([name], figures["delivered"])
            failed.add_metric([name], figures["failed"])
            aside.add_metric([name], figures["set_aside"])
        yield from (queued, oldest, failing, delivered, failed, aside)

    def _decoders(self) -> Iterator[Metric]:
        decoders = self._context.outside.decoders
        if decoders is None:
            return
        report = decoders.report()
        payloads = CounterMetricFamily(
            "bssci_decoder_payloads", "Payloads by decoder and outcome.", labels=["decoder", "outcome"]
        )
        failing = GaugeMetricFamily(
            "bssci_decoder_failing", "1 if the last payload was not decoded.", labels=["decoder"]
        )
        for name, figures in report["decoders"].items():
            payloads.add_metric([name, "decoded"], figures["decoded"])
            payloads.add_metric([name, "failed"], figures["failed"])
            failing.add_metric([name], float(figures["failing"]))
        yield from (payloads, failing)
        yield _gauge(
            "bssci_decoders_resting", "Decoders paused because they took too long.", len(report["resting"])
        )
        yield _gauge("bssci_decoders_unusable", "Decoders with an error.", len(report["problems"]))

    def _sources(self) -> Iterator[Metric]:
        telegrams = CounterMetricFamily(
            "bssci_source_telegrams",
            "Telegrams by source and outcome.",
            labels=["source", "outcome"],
        )
        waiting = GaugeMetricFamily(
            "bssci_source_waiting", "Telegrams waiting to be stored.", labels=["source"]
        )
        journal = GaugeMetricFamily(
            "bssci_source_journal_bytes", "Approximate undelivered bytes from this source.", labels=["source"]
        )
        trouble = GaugeMetricFamily("bssci_source_failing", "1 if the source is failing.", labels=["source"])
        for name, figures in self._context.center.sources.statistics().items():
            for outcome in ("kept", "repeated", "blocked", "passed_over", "refused", "rejected"):
                telegrams.add_metric([name, outcome], figures[outcome])
            waiting.add_metric([name], figures["waiting"])
            journal.add_metric([name], figures["journal_bytes"])
            trouble.add_metric([name], float(bool(figures["trouble"])))
        yield from (telegrams, waiting, journal, trouble)
        gateways = GaugeMetricFamily(
            "bssci_gateways", "Scanners and controllers by state.", labels=["kind", "state"]
        )
        for kind, states in self._context.center.gateways.counts().items():
            for state, count in states.items():
                gateways.add_metric([kind, state], count)
        devices = GaugeMetricFamily(
            "bssci_devices", "Devices other than mioty sensors, by state.", labels=["state"]
        )
        for state, count in self._context.center.devices.counts().items():
            devices.add_metric([state], count)
        yield from (gateways, devices)

    def _provisioned(self) -> Iterator[Metric]:
        provisioned = self._context.center.provisioned
        devices = GaugeMetricFamily(
            "bssci_provisioned_devices", "Provisioned devices by state.", labels=["state"]
        )
        for state, count in provisioned.counts().items():
            devices.add_metric([state], count)
        yield devices
        requests = CounterMetricFamily(
            "bssci_provisioning", "Provisioning requests by action and outcome.", labels=["action", "outcome"]
        )
        for (action, outcome), count in provisioned.outcomes.items():
            requests.add_metric([action, outcome], count)
        yield requests
        end = provisioned.next_end()
        if end is not None:
            yield _gauge(
                "bssci_provisioned_next_end_seconds",
                "Unix time when the next certificate of a provisioned device expires.",
                end,
            )

    def _requests(self) -> Iterator[Metric]:
        queued = GaugeMetricFamily("bssci_requests_backlog", "Requests not answered yet.", labels=["sink"])
        oldest = GaugeMetricFamily(
            "bssci_requests_oldest_seconds", "Age of the oldest of them in seconds.", labels=["sink"]
        )
        failing = GaugeMetricFamily(
            "bssci_requests_failing", "1 if requests wait because the disk refuses writes.", labels=["sink"]
        )
        answered = CounterMetricFamily("bssci_requests_answered", "Requests answered.", labels=["sink"])
        failed = CounterMetricFamily("bssci_requests_failed", "Answered with an error.", labels=["sink"])
        misaddressed = CounterMetricFamily(
            "bssci_requests_misaddressed", "Requests whose topic names no sensor or station.", labels=["sink"]
        )
        for name, figures in self._context.center.deliveries.requests().items():
            queued.add_metric([name], figures["queued"])
            oldest.add_metric([name], figures["oldest_seconds"])
            failing.add_metric([name], float(figures["failing"]))
            answered.add_metric([name], figures["answered"])
            failed.add_metric([name], figures["failed"])
            misaddressed.add_metric([name], figures.get("misaddressed", 0))
        yield from (queued, oldest, failing, answered, failed, misaddressed)

    def _journal(self) -> Iterator[Metric]:
        journal = self._context.journal
        events = CounterMetricFamily("bssci_events", "Events by kind.", labels=["kind"])
        for kind, count in journal.events.counts().items():
            events.add_metric([kind], count)
        yield events
        statistics = journal.statistics
        usage = journal.usage()
        yield _gauge("bssci_journal_bytes", "Bytes of the journal's file.", usage.size)
        yield _gauge(
            "bssci_journal_log_bytes", "Bytes of the write-ahead log beside the journal.", usage.log_size
        )
        yield _gauge("bssci_journal_max_bytes", "Maximum bytes of the journal's file.", usage.max_size)
        yield _gauge(
            "bssci_journal_undelivered_bytes",
            "Approximate bytes not yet delivered to every sink.",
            usage.undelivered,
        )
        yield _counter(
            "bssci_journal_forgotten", "Delivered events deleted to make room.", statistics.forgotten
        )
        yield _counter("bssci_journal_unreadable", "Damaged entries skipped.", usage.unreadable)
        yield _gauge("bssci_journal_last_seq", "Number of the newest event.", journal.events.last_seq)
        yield _counter("bssci_journal_commits", "Commits.", statistics.commits)
        yield _counter("bssci_journal_failed_commits", "Commits that failed.", statistics.failed_commits)
        yield _counter("bssci_journal_rows", "Rows written.", statistics.rows)
        yield _gauge(
            "bssci_journal_last_commit_seconds",
            "Duration of the last commit.",
            statistics.last_commit_seconds,
        )
        yield _counter("bssci_refusals", "Batches that could not be stored.", self._context.center.refusals)

    def _web(self) -> Iterator[Metric]:
        yield _gauge("bssci_live_viewers", "Viewers of the live stream.", len(self._context.hub))
        yield _counter(
            "bssci_live_dropped", "Viewers disconnected because they did not read.", self._context.hub.dropped
        )
        door = self._context.door
        yield _gauge("bssci_mqtt_clients", "MQTT clients of the live stream.", len(door))
        yield _gauge("bssci_mqtt_sessions", "Sessions of these clients that can be resumed.", door.sessions)
        yield _counter("bssci_mqtt_messages", "Messages handed to these clients.", door.sent)
        ended = CounterMetricFamily(
            "bssci_mqtt_ended", "Clients refused or closed, and filters refused.", labels=["reason"]
        )
        for reason, count in door.ended.items():
            ended.add_metric([reason.replace(" ", "_")], count)
        yield ended
        guard = self._context.guard
        yield _gauge("bssci_web_sessions", "Sessions.", len(guard.sessions))
        yield _gauge(
            "bssci_web_unreadable",
            "Damaged entries of accounts and sessions that were skipped.",
            guard.file.unreadable + guard.sessions.unreadable,
        )


class HealthCollector(Collector):
    """Readiness, alarms and certificates, as of the last check."""

    def __init__(self, context: Context) -> None:
        self._alarms = context.center.alarms
        self._channels = context.outside.alarm_channels
        self.is_ready = False
        self.certificates: list[dict[str, Any]] = []

    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "bssci_ready", "1 if the service can store and base stations can connect.", float(self.is_ready)
        )
        alarms = GaugeMetricFamily("bssci_alarms", "Open alarms.", labels=["severity"])
        for severity, count in self._alarms.by_severity().items():
            alarms.add_metric([severity], count)
        yield alarms
        channels = GaugeMetricFamily(
            "bssci_alarm_channel_failing",
            "1 if an alarm channel did not take the last message.",
            labels=["channel"],
        )
        for channel in self._channels():
            channels.add_metric([channel.name], float(bool(channel.trouble)))
        yield channels
        ends = GaugeMetricFamily(
            "bssci_certificate_not_after_seconds",
            "Unix time when a certificate in use expires.",
            labels=["file", "subject"],
        )
        for each in self.certificates:
            ends.add_metric([each["file"], each["subject"]], each["not_after"])
        yield ends


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


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
