"""The dashboard, and the charts of figures over time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.model.states import Severity
from bssci.web.api.schemas.common import Answer, Point, RangeName
from bssci.web.api.schemas.status import ServiceStatus, SinkFigures

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


class Fault(Answer):
    """A problem, with a link to details."""

    severity: Severity
    text: str
    href: str
    detail: str


class WatchedAlarm(Answer):
    """An open alarm whose condition is over, and that closes if it does not come back."""

    text: str
    href: str
    over_since: float
    closes_at: float


class Health(Answer):
    """Health of the service in one sentence, with the faults, and with what was wrong a moment ago."""

    ok: bool
    sentence: str
    problems: list[Fault]
    watched: list[WatchedAlarm]


class FirstStep(Answer):
    """A step of the first set-up."""

    title: str
    text: str
    href: str
    role: str
    action: str
    done: bool


class SensorCounts(Answer):
    """Numbers of sensors by state."""

    total: int
    unknown: int
    attached: int
    detached: int
    warning: int
    failed: int
    never_seen: int


class StationCounts(Answer):
    """Numbers of base stations by state."""

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
    """Content of the dashboard."""

    health: Health
    guide: list[FirstStep]
    stations: StationCounts
    sensors: SensorCounts
    gateways: dict[str, dict[str, int]]
    """scanners and controllers, by kind and state"""
    devices: dict[str, int]
    """devices other than mioty sensors, by state"""
    uplinks: UplinkFigures
    duplicates: DuplicateFigures
    delivery: DeliveryState
    certificate: dict[str, Any] | None
    """the one that expires first"""
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
