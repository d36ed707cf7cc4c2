"""Base stations."""

from __future__ import annotations

from bssci.web.api.schemas.common import Answer, EuiText, EventJson, Point


class StationCertificate(Answer):
    """The certificate that a base station showed."""

    subject: str
    issuer: str
    names: list[str]
    not_after: float
    fingerprint: str
    days_left: int


class StationRow(Answer):
    """A base station that ever connected."""

    eui: EuiText
    name: str | None
    state: str
    since: float | None
    resumed: bool
    reason: str
    address: str | None
    vendor: str | None
    model: str | None
    version: str | None
    certificate: StationCertificate | None
    cpu: float | None
    memory: float | None
    duty_cycle: float | None
    temperature: float | None
    uptime: float | None
    status_at: float | None
    message: str | None
    latitude: float | None
    longitude: float | None
    altitude: float | None
    uplink_rate: float
    """a minute"""
    uplinks: int
    sensors_attached: int
    sensors_failed: int


class RefusedStation(Answer):
    """Somebody who was not let in."""

    address: str
    reason: str
    station: str | None
    count: int
    at: float


class StationList(Answer):
    """Every base station, by EUI, and who was refused."""

    base_stations: list[StationRow]
    total: int
    counts: dict[str, int]
    refused: list[RefusedStation]


class StationSession(Answer):
    """The BSSCI session that a base station may resume."""

    version: str
    open_operations: int


class StationErrors(Answer):
    """Number of protocol errors of one code since the start, sent to a base station or received from it."""

    direction: str
    code: str
    count: int


class StationDetail(StationRow):
    """One base station, with its timeline and its protocol errors."""

    errors: list[StationErrors]
    timeline: list[EventJson]
    session: StationSession | None


class StateChange(Answer):
    """A base station came or went."""

    timestamp: float
    state: str
    reason: str | None
    resumed: bool


class StationHistory(Answer):
    """A base station's reports about itself over time."""

    start: float
    end: float
    series: dict[str, list[Point]]
    states: list[StateChange]
