"""Figures of ``/metrics``: name, labels and meaning of each. ``docs/metrics.md`` is made of them."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Figure(NamedTuple):
    """A figure, with a value for each combination of its labels' values.

    :ivar name: Prometheus shows a counter with ``_total`` behind its name.
    """

    kind: Literal["gauge", "counter"]
    name: str
    text: str
    labels: tuple[str, ...] = ()


TABLE: dict[str, tuple[Figure, ...]] = {
    "The service": (
        Figure("gauge", "bssci_info", "The service.", ("version", "sc_eui")),
        Figure("gauge", "bssci_start_time_seconds", "Unix time of the start."),
        Figure("gauge", "bssci_ready", "1 if the service can store and base stations can connect."),
        Figure("gauge", "bssci_alarms", "Open alarms.", ("severity",)),
        Figure(
            "gauge",
            "bssci_alarm_channel_failing",
            "1 if an alarm channel did not take the last message.",
            ("channel",),
        ),
        Figure(
            "gauge",
            "bssci_certificate_not_after_seconds",
            "Unix time when a certificate in use expires.",
            ("file", "subject"),
        ),
    ),
    "Base stations and sensors": (
        Figure("gauge", "bssci_stations_connected", "Base stations connected."),
        Figure(
            "gauge",
            "bssci_stations_known",
            "Base stations that ever connected, without those that are blocked.",
        ),
        Figure("gauge", "bssci_sensors", "Configured sensors."),
        Figure(
            "counter",
            "bssci_station_receptions",
            "Uplink copies by the station that received them.",
            ("station",),
        ),
        Figure(
            "counter",
            "bssci_station_errors",
            "Protocol errors between a base station and the service: sent to it, or received from it.",
            ("station", "direction", "code"),
        ),
        Figure(
            "counter",
            "bssci_station_connections_refused",
            "Connections of base stations refused, or closed for cause.",
            ("reason",),
        ),
    ),
    "Uplinks and downlinks": (
        Figure("counter", "bssci_receptions", "Uplink copies received."),
        Figure("counter", "bssci_duplicates", "Copies merged."),
        Figure("counter", "bssci_uplinks", "Uplinks published."),
        Figure("counter", "bssci_unknown_uplinks", "Uplinks of unknown sensors."),
        Figure("gauge", "bssci_open_windows", "Uplinks waiting for copies."),
        Figure("gauge", "bssci_downlinks", "Downlinks by state.", ("state",)),
    ),
    "Sinks": (
        Figure("gauge", "bssci_sink_backlog", "Events not delivered yet.", ("sink",)),
        Figure("gauge", "bssci_sink_oldest_seconds", "Age of the oldest of them in seconds.", ("sink",)),
        Figure(
            "gauge",
            "bssci_sink_failing",
            "1 if the last delivery failed, or none is possible now.",
            ("sink",),
        ),
        Figure("counter", "bssci_sink_delivered", "Events delivered.", ("sink",)),
        Figure("counter", "bssci_sink_failures", "Deliveries that failed.", ("sink",)),
        Figure("counter", "bssci_sink_set_aside", "Events that a sink cannot store and skipped.", ("sink",)),
    ),
    "Requests by MQTT": (
        Figure("gauge", "bssci_requests_backlog", "Requests not answered yet.", ("sink",)),
        Figure("gauge", "bssci_requests_oldest_seconds", "Age of the oldest of them in seconds.", ("sink",)),
        Figure(
            "gauge",
            "bssci_requests_failing",
            "1 if requests wait because the disk refuses writes.",
            ("sink",),
        ),
        Figure("counter", "bssci_requests_answered", "Requests answered.", ("sink",)),
        Figure("counter", "bssci_requests_failed", "Answered with an error.", ("sink",)),
        Figure(
            "counter",
            "bssci_requests_misaddressed",
            "Requests whose topic names no sensor or station.",
            ("sink",),
        ),
    ),
    "Decoders": (
        Figure(
            "counter", "bssci_decoder_payloads", "Payloads by decoder and outcome.", ("decoder", "outcome")
        ),
        Figure("gauge", "bssci_decoder_failing", "1 if the last payload was not decoded.", ("decoder",)),
        Figure("gauge", "bssci_decoders_resting", "Decoders paused because they took too long."),
        Figure("gauge", "bssci_decoders_unusable", "Decoders with an error."),
    ),
    "Sources, gateways and devices": (
        Figure(
            "counter", "bssci_source_telegrams", "Telegrams by source and outcome.", ("source", "outcome")
        ),
        Figure("gauge", "bssci_source_waiting", "Telegrams waiting to be stored.", ("source",)),
        Figure("gauge", "bssci_source_held_back", "1 if telegrams wait for SOURCE_RATE.", ("source",)),
        Figure(
            "gauge",
            "bssci_source_journal_bytes",
            "Approximate undelivered bytes from this source.",
            ("source",),
        ),
        Figure("gauge", "bssci_source_failing", "1 if the source is failing.", ("source",)),
        Figure("gauge", "bssci_gateways", "Scanners and controllers by state.", ("kind", "state")),
        Figure("gauge", "bssci_devices", "Devices other than mioty sensors, by state.", ("state",)),
        Figure("gauge", "bssci_provisioned_devices", "Provisioned devices by state.", ("state",)),
        Figure(
            "gauge",
            "bssci_provisioned_next_end_seconds",
            "Unix time when the next certificate of a provisioned device expires.",
        ),
        Figure(
            "counter",
            "bssci_provisioning",
            "Provisioning requests by action and outcome.",
            ("action", "outcome"),
        ),
    ),
    "Journal": (
        Figure("counter", "bssci_events", "Events by kind.", ("kind",)),
        Figure("counter", "bssci_refusals", "Batches that could not be stored."),
        Figure("gauge", "bssci_journal_bytes", "Bytes of the journal's file."),
        Figure("gauge", "bssci_journal_log_bytes", "Bytes of the write-ahead log beside the journal."),
        Figure("gauge", "bssci_journal_max_bytes", "Maximum bytes of the journal's file."),
        Figure(
            "gauge", "bssci_journal_undelivered_bytes", "Approximate bytes not yet delivered to every sink."
        ),
        Figure("counter", "bssci_journal_forgotten", "Delivered events deleted to make room."),
        Figure("counter", "bssci_journal_unreadable", "Damaged entries skipped."),
        Figure("gauge", "bssci_journal_last_seq", "Number of the newest event."),
        Figure("counter", "bssci_journal_commits", "Commits."),
        Figure("counter", "bssci_journal_failed_commits", "Commits that failed."),
        Figure("counter", "bssci_journal_rows", "Rows written."),
        Figure("gauge", "bssci_journal_last_commit_seconds", "Duration of the last commit."),
    ),
    "Web admin and live streams": (
        Figure("gauge", "bssci_web_sessions", "Sessions."),
        Figure(
            "gauge", "bssci_web_unreadable", "Damaged entries of accounts and sessions that were skipped."
        ),
        Figure("gauge", "bssci_live_viewers", "Viewers of the live stream."),
        Figure("counter", "bssci_live_dropped", "Viewers disconnected because they did not read."),
        Figure("gauge", "bssci_mqtt_clients", "MQTT clients of the live stream."),
        Figure("gauge", "bssci_mqtt_sessions", "Sessions of these clients that can be resumed."),
        Figure("counter", "bssci_mqtt_messages", "Messages handed to these clients."),
        Figure(
            "counter",
            "bssci_mqtt_ended",
            "Clients that left, or were closed or refused, and filters refused.",
            ("reason",),
        ),
    ),
}
"""figures by what they are about"""
FIGURES = {figure.name: figure for figures in TABLE.values() for figure in figures}

_INTRODUCTION = """\
# Metrics

`GET /metrics` answers with these figures, in the text format of Prometheus; it needs a token of role `viewer`
([operations](operations.md#monitoring)). A counter counts from the start of the service; times are Unix seconds.
"""
_OTHERS = """
## Measured as it happens

| Figure | Labels | |
|---|---|---|
| `bssci_uplink_merge_seconds` |  | Histogram: seconds from the first copy of an uplink to its publication. |
| `bssci_web_seconds` |  | Histogram: seconds to answer a request of the web admin or the API. |
| `bssci_web_answers_total` | `method`, `route`, `status` | Answers of the web admin and the API. |
| `process_*` |  | CPU time, memory, descriptors and start of the process. |
"""


def documentation() -> str:
    """Return the table as a document."""
    lines = [_INTRODUCTION]
    for title, figures in TABLE.items():
        lines += [f"## {title}\n", "| Figure | Labels | |", "|---|---|---|"]
        for figure in figures:
            name = f"{figure.name}_total" if figure.kind == "counter" else figure.name
            lines.append(
                f"| `{name}` | {', '.join(f'`{label}`' for label in figure.labels)} | {figure.text} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n" + _OTHERS
