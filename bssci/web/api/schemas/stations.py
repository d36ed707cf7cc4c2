"""Base stations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.model.base_station import MAX_NOTE
from bssci.model.sensor import MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.web.api.schemas.common import Answer, EuiText, EventJson, Point
from bssci.web.http.replies import Done
from bssci.web.reports.stations import StationStateName

# bodies


class StationFields(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entry that people make about a base station; fields that are not named stay."""

    name: Annotated[str, Meta(max_length=MAX_NAME)] | None | msgspec.UnsetType = msgspec.UNSET
    location: (
        Annotated[dict[str, Any], Meta(description="lat and lon in degrees, text")] | None | msgspec.UnsetType
    ) = msgspec.UNSET
    tags: (
        Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)]
        | None
        | msgspec.UnsetType
    ) = msgspec.UNSET
    note: Annotated[str, Meta(max_length=MAX_NOTE)] | None | msgspec.UnsetType = msgspec.UNSET
    blocked: (
        Annotated[bool, Meta(description="true: refused from then on, and cut off if it is connected")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class NewStation(StationFields, kw_only=True):
    """A base station that is expected, or an entry that changes."""

    eui: EuiText


class WantedStationFile(msgspec.Struct, kw_only=True):
    """Format and content of an exported file of base stations; without a selection it holds all."""

    q: Annotated[str, Meta(description="part of EUI, name or tag")] = ""
    state: Annotated[StationStateName | None, Meta(description="only those in this state")] = None
    format: Annotated[Literal["json", "csv"], Meta(description="of the file")] = "json"


# answers


class StationStored(Done):
    """An entry is stored."""

    eui: EuiText
    created: bool
    """true if it was not known before"""


class WrongStationRow(Answer):
    """A row of a file that is wrong."""

    row: int
    field: str
    message: str


class StationsImported(Done):
    """Outcome of an import, or of its trial."""

    dry_run: bool
    rows: int
    added: int
    changed: int
    unchanged: int
    wrong: int
    errors: list[WrongStationRow]


class StationCertificate(Answer):
    """The certificate that a base station showed."""

    subject: str
    issuer: str
    names: list[str]
    not_before: float
    not_after: float
    fingerprint: str
    days_left: int


class StationRow(Answer):
    """A base station that ever connected, or is expected."""

    eui: EuiText
    name: str | None
    """as people named it, or else as it calls itself"""
    reported_name: str | None
    """as it calls itself"""
    state: str
    """online, connecting, offline, or expected: registered and never seen yet"""
    location: dict[str, Any] | None
    tags: list[str]
    note: str
    blocked: bool
    blocked_at: float | None
    blocked_by: str | None
    entered_at: float | None
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
    """uplinks a minute"""
    uplinks: int
    sensors_attached: int
    sensors_failed: int


class RefusedStation(Answer):
    """A refused connection."""

    address: str
    reason: str
    remedy: str
    """advice on what to do"""
    station: str | None
    """EUI that it claimed, or that its certificate names"""
    subject: str | None
    """of the certificate that it showed"""
    issuer: str | None
    count: int
    first_at: float
    at: float


class StationList(Answer):
    """Every base station, by EUI, and refused connections."""

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
    refused: list[RefusedStation]
    session: StationSession | None


class StateChange(Answer):
    """A base station connected or disconnected."""

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
