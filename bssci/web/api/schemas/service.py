"""The service itself: status, charts, settings, log, audit, health."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, Before, EuiText, Limit, Point, RangeName, Scalar
from bssci.web.http.replies import Done
from bssci.web.http.routing import REFERENCE

LevelName = Literal["debug", "info", "warn", "error", "critical"]
MetricName = Literal[
    "uplinks",
    "duplicates",
    "unknown_uplinks",
    "stations_online",
    "sensors_active",
    "backlog",
    "journal_size",
    "downlinks_queued",
]

# status


class SinkFigures(Answer):
    """Figures of a sink, as :class:`bssci.sinks.pump.SinkStatistics`."""

    queued: int
    oldest_seconds: float
    delivered: int
    failed: int
    rate: float
    failing: bool
    trouble: str
    set_aside: int
    set_aside_reason: str


class SourceReason(Answer):
    """Messages of a source that were odd in the same way."""

    reason: str
    count: int
    taken: bool
    """they were accepted nevertheless"""
    example: str


class SourceFigures(Answer):
    """Figures of a source since the start, as :class:`bssci.center.telegrams.door.SourceDoor` counts."""

    trouble: str
    kept: int
    repeated: int
    blocked: int
    passed_over: int
    """telegrams of changing Bluetooth addresses, beyond those that are kept"""
    refused: int
    rejected: int
    reasons: list[SourceReason]
    waiting: int
    rate: float
    rate_limit: float
    journal_bytes: int
    journal_limit: int


class RequestFigures(Answer):
    """Figures of the queue of requests that come in by a sink."""

    queued: int
    oldest_seconds: float
    answered: int
    failed: int
    """answered with an error"""
    rate: float
    failing: bool
    """nothing can be stored, so they wait"""


class StationCount(Answer):
    """Base stations."""

    connected: int
    known: int


class SensorCount(Answer):
    """Sensors of endpoints.json by their state, and others that are heard."""

    total: int
    unknown: int
    """heard, but not configured"""
    wrong: int
    """entries of the file that are not used"""
    attached: int
    detached: int
    warning: int
    """silent, and soon to be detached"""
    auto_detached: int
    refused: int
    """by a base station"""
    never_seen: int


class DeduplicationCounts(Answer):
    """Copies of uplinks since the start."""

    total_messages: int
    duplicate_messages: int
    published_messages: int
    duplication_rate: float
    open_windows: int
    delay: float


class JournalFigures(Answer):
    """The journal on disk."""

    size: int
    max_size: int
    undelivered: int
    full_in_days: float | None
    unreadable: int
    last_seq: int
    last_commit_seconds: float
    failed_commits: int
    refusals: int
    writable: bool


class TlsFigures(Answer):
    """Ports for base stations, the policy of admission, and numbers of refused connections by reason."""

    ports: list[int]
    station_identity: str
    refused: dict[str, int]


class UnreadPayload(Answer):
    """Why a payload was not read."""

    code: str
    message: str


class OneDecoder(Answer):
    """A decoder, and its counts of payloads since the start."""

    version: str
    decoded: int
    failed: int
    failing: bool
    """the last payload was not read"""
    last_error: UnreadPayload | msgspec.UnsetType = msgspec.UNSET


class RestingDecoder(Answer):
    """A script that rests: it is not run for a while."""

    decoder: str
    reason: str


class DecoderFigures(Answer):
    """Every decoder, by its name, and the problems of files and decoders."""

    directory: str
    decoders: dict[str, OneDecoder]
    problems: list[str]
    resting: list[RestingDecoder]


class FixedStatus(msgspec.Struct, kw_only=True):
    """State of the service: uptime, connections, and the progress of every sink."""

    running: bool
    version: str
    sc_eui: EuiText
    started_at: float
    uptime: float
    timestamp: float
    base_stations: StationCount
    sensors: SensorCount
    tls: TlsFigures
    deduplication: DeduplicationCounts
    uplink_rate: float
    sources: dict[str, SourceFigures]
    """figures of each source, by its name"""
    queue_statistics: dict[str, SinkFigures]
    """figures of each sink, by its name"""
    request_statistics: dict[str, RequestFigures]
    """figures of the requests that come in by sinks, by the sink's name"""
    deliveries: dict[str, list[tuple[int, float]]]
    """deliveries of each sink: the last event and Unix seconds of its newest batches"""
    journal: JournalFigures
    live_viewers: int
    decoders: DecoderFigures | None


class SinkTarget(msgspec.Struct, kw_only=True):
    """A sink's target, and the state of its deliveries; with settings of its own."""

    enabled: bool
    delivering: bool


ServiceStatus = Annotated[
    dict[str, Any],
    Meta(
        title="ServiceStatus",
        description="The status, and under the name of each sink that has settings where it delivers",
        extra_json_schema={
            "allOf": [{"$ref": REFERENCE.format(name=FixedStatus.__name__)}],
            "unevaluatedProperties": {"$ref": REFERENCE.format(name=SinkTarget.__name__)},
        },
    ),
]


# dashboard and charts


class Fault(Answer):
    """A problem, with a link to details."""

    severity: Literal["error", "warning"]
    text: str
    href: str
    detail: str


class Health(Answer):
    """Health of the service in one sentence, with the faults."""

    ok: bool
    sentence: str
    problems: list[Fault]


class FirstStep(Answer):
    """One of the first steps."""

    title: str
    text: str
    href: str
    role: str
    action: str
    done: bool


class SensorCounts(Answer):
    """Sensors by how they stand."""

    total: int
    unknown: int
    attached: int
    detached: int
    warning: int
    failed: int
    never_seen: int


class StationCounts(Answer):
    """Base stations by how they stand."""

    total: int
    online: int
    connecting: int
    offline: int
    expected: int
    """base stations that are registered and were never seen"""
    blocked: int


class UplinkFigures(Answer):
    """Uplinks a second, and in the last hour."""

    rate: float
    last_hour: float


class DuplicateFigures(Answer):
    """The share of copies, and how many base stations hear an uplink."""

    rate: float
    average_stations: float | None


class ChartSeries(Answer):
    """One curve of a chart."""

    name: str
    points: list[Point]


class Chart(Answer):
    """Curves over the same time."""

    id: str
    title: str
    unit: str
    start: float
    end: float
    kind: Literal["area", "line"]
    y_min: float
    series: list[ChartSeries]


class DeliveryState(Answer):
    """State of the deliveries by all sinks, in a word and a sentence."""

    state: str
    text: str


class NamedSink(SinkFigures):
    """Figures of a sink, with its name."""

    name: str


class Dashboard(Answer):
    """All that the first page shows."""

    health: Health
    guide: list[FirstStep]
    stations: StationCounts
    sensors: SensorCounts
    uplinks: UplinkFigures
    duplicates: DuplicateFigures
    delivery: DeliveryState
    certificate: dict[str, Any] | None
    """the one that ends first"""
    sinks: list[NamedSink]
    range: RangeName
    charts: list[Chart]
    status: ServiceStatus


class OfMetric(msgspec.Struct, kw_only=True):
    """Choice of a figure, and of the time that it covers."""

    metric: Annotated[MetricName, Meta(description="which")] = "uplinks"
    range: RangeName = "hour"


class MetricHistory(Answer):
    """One figure: per step of time its mean, least and most."""

    metric: MetricName
    title: str
    unit: str
    start: float
    end: float
    step: float
    points: list[Point]
    least: list[Point]
    most: list[Point]


# settings


class OneSetting(Answer):
    """A setting; a secret's value is masked."""

    name: str
    value: Scalar | list[Scalar]
    default: Scalar
    description: str
    unit: str
    allowed: str
    origin: str
    editable: bool
    restart: bool
    secret: bool
    pending: bool
    group: str


SettingList = Annotated[
    dict[str, Any],
    Meta(
        title="SettingList",
        description="Every setting, and each value also under its setting's name",
        extra_json_schema={
            "required": ["settings", "needs_restart", "warnings"],
            "properties": {
                "settings": {"type": "array", "items": {"$ref": REFERENCE.format(name=OneSetting.__name__)}},
                "needs_restart": {"type": "array", "items": {"type": "string"}},
                "warnings": {"type": "array", "items": {"type": "string"}},
            },
        },
    ),
]
SettingValues = dict[str, Scalar | list[Scalar] | dict[str, Scalar | list[Scalar]]]
"""settings by name, or in ``settings``; a masked secret stays as it is"""


class SettingDifference(Answer):
    """Change of one setting: the value before and after."""

    name: str
    before: Scalar | list[Scalar]
    after: Scalar | list[Scalar]
    restart: bool


class SettingsChanged(Done, omit_defaults=False):
    """Changed settings, or those of a dry run that would change."""

    changes: list[SettingDifference]
    needs_restart: list[str] | msgspec.UnsetType = msgspec.UNSET
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET


# log and audit


class WantedLines(msgspec.Struct, kw_only=True):
    """Selection of lines of the log."""

    level: Annotated[LevelName | None, Meta(description="the least serious")] = None
    logger: Annotated[str, Meta(description="begins so")] = ""
    q: Annotated[str, Meta(description="is in the text")] = ""
    limit: Limit = 200


class LogLine(Answer):
    """A line of the log."""

    number: int
    timestamp: float
    level: str
    logger: str
    text: str


class LogLines(Answer):
    """The newest lines, newest first."""

    lines: list[LogLine]
    kept: int
    loggers: list[str]


class WantedEntries(msgspec.Struct, kw_only=True):
    """Selection of entries of the audit log."""

    who: Annotated[str, Meta(description="account or token")] = ""
    action: Annotated[str, Meta(description="begins so")] = ""
    limit: Limit = 100
    before: Before = None


class AuditLine(Answer):
    """A change, or an access to a secret."""

    seq: int
    timestamp: float
    who: str
    address: str
    action: str
    target: str
    detail: str


class AuditLines(Answer):
    """Entries of the audit log, newest first; ``next`` is the ``before`` of the following part."""

    entries: list[AuditLine]
    next: int | None


# health


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Answer):
    """Readiness of the service, and the parts that it depends on."""

    ready: bool
    journal: bool
    listening: bool
    sinks: dict[str, bool]
