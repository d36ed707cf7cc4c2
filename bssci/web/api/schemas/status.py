"""State of the service: sinks, sources, stations, sensors, journal and decoders."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, EuiText
from bssci.web.http.routing import REFERENCE


class SinkFigures(Answer):
    """Figures of a sink, as :class:`bssci.sinks.pump.SinkStatistics`."""

    queued: int
    oldest_seconds: float
    delivered: int
    failed: int
    rate: float
    failing: bool
    trouble: str
    warning: str
    set_aside: int
    set_aside_reason: str


class SourceReason(Answer):
    """Messages of a source with the same fault."""

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
    held_back: bool
    """telegrams wait because more come than SOURCE_RATE allows"""
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
    misaddressed: int | msgspec.UnsetType = msgspec.UNSET
    """requests whose topic names no sensor or base station, which are not answered"""
    trouble: str | msgspec.UnsetType = msgspec.UNSET
    """why requests do not reach the sink; empty if they do"""


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
    """entries of endpoints.json that are not used"""
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
    """Bytes of the journal's file, its maximum, and bytes of the write-ahead log beside it."""

    size: int
    max_size: int
    log_size: int
    undelivered: int
    full_in_days: float | None
    unreadable: int
    last_seq: int
    last_commit_seconds: float
    failed_commits: int
    refusals: int
    writable: bool
    trouble: str


class TlsFigures(Answer):
    """Ports for base stations (or endpoints of LISTEN), policy of admission, refused connections by cause."""

    ports: list[int | str]
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
    """A paused script: it is not run for a while."""

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
