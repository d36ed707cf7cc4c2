"""Sensors: their configuration, attachment and reception."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.model.sensor import MAX_DECODER, MAX_INTERVAL, MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.model.states import AttachmentState
from bssci.web.api.schemas.common import Answer, EuiText, SensorOutcome
from bssci.web.api.schemas.readings import DecodingCounts
from bssci.web.http.reading import TypedEui, wording
from bssci.web.http.replies import Done
from bssci.web.reports.standings import StatusName

MAX_PER_PAGE = 500
Sort = Literal[
    "eui",
    "name",
    "last_seen_at",
    "uplinks",
    "status",
    "snr",
    "detach_at",
    "-eui",
    "-name",
    "-last_seen_at",
    "-uplinks",
    "-status",
    "-snr",
    "-detach_at",
]


class ChosenSensors(msgspec.Struct, kw_only=True):
    """Selection of sensors."""

    q: Annotated[str, Meta(description="part of EUI, name or tag")] = ""
    status: Annotated[StatusName | None, Meta(description="state")] = None
    tag: Annotated[str, Meta(description="only with this tag")] = ""
    station: Annotated[TypedEui | None, Meta(description="only those that this base station hears")] = None

    def asked(self) -> dict[str, Any]:
        """Return the selection as :class:`bssci.web.reports.sensors.SensorViews` takes it."""
        return {"q": self.q, "status": self.status or "", "tag": self.tag, "station": self.station}


class WantedSensors(ChosenSensors, kw_only=True):
    """Selection of sensors, their order, and the page of them."""

    sort: Annotated[Sort, Meta(description="by what; - in front turns it round")] = "eui"
    page: Annotated[int, Meta(ge=1, le=1_000_000, description="from 1")] = 1
    per_page: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_PER_PAGE)] | Literal["all"],
        Meta(
            description="rows of a page; all: every sensor in one answer",
            extra=wording(f"a whole number from 1 to {MAX_PER_PAGE}, or all"),
        ),
    ] = 50


class WantedUnknown(msgspec.Struct, kw_only=True):
    """Length of the list of unknown sensors."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class SensorEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A sensor as endpoints.json has it. Unknown fields are kept; of a known sensor, others stay."""

    eui: EuiText
    nwKey: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{32}$")]
    shortAddr: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{4}$")]
    bidi: bool
    name: Annotated[str, Meta(max_length=MAX_NAME)] | msgspec.UnsetType = msgspec.UNSET
    dualChan: bool | msgspec.UnsetType = msgspec.UNSET
    repetition: bool | msgspec.UnsetType = msgspec.UNSET
    wideCarrOff: bool | msgspec.UnsetType = msgspec.UNSET
    longBlkDist: bool | msgspec.UnsetType = msgspec.UNSET
    autoDetach: bool | msgspec.UnsetType = msgspec.UNSET
    typeEui: EuiText | msgspec.UnsetType = msgspec.UNSET
    tags: (
        Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    decoder: Annotated[str, Meta(max_length=MAX_DECODER)] | msgspec.UnsetType = msgspec.UNSET
    decoderParameters: (
        Annotated[dict[str, Any] | str, Meta(description="an object for the decoder; masked, as nwKey is")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    interval: Annotated[float, Meta(ge=1, le=MAX_INTERVAL, description="s")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    location: (
        Annotated[dict[str, Any], Meta(description="lat and lon in degrees, text")] | msgspec.UnsetType
    ) = msgspec.UNSET


class SensorChanges(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Fields of a sensor to change; null removes a field. Other fields are kept."""

    nwKey: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{32}$")] | msgspec.UnsetType = msgspec.UNSET
    shortAddr: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{4}$")] | msgspec.UnsetType = msgspec.UNSET
    bidi: bool | msgspec.UnsetType = msgspec.UNSET
    name: Annotated[str, Meta(max_length=MAX_NAME)] | msgspec.UnsetType | None = msgspec.UNSET
    dualChan: bool | msgspec.UnsetType | None = msgspec.UNSET
    repetition: bool | msgspec.UnsetType | None = msgspec.UNSET
    wideCarrOff: bool | msgspec.UnsetType | None = msgspec.UNSET
    longBlkDist: bool | msgspec.UnsetType | None = msgspec.UNSET
    autoDetach: bool | msgspec.UnsetType | None = msgspec.UNSET
    typeEui: EuiText | msgspec.UnsetType | None = msgspec.UNSET
    tags: (
        Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)]
        | msgspec.UnsetType
        | None
    ) = msgspec.UNSET
    decoder: Annotated[str, Meta(max_length=MAX_DECODER)] | msgspec.UnsetType | None = msgspec.UNSET
    decoderParameters: dict[str, Any] | str | msgspec.UnsetType | None = msgspec.UNSET
    interval: Annotated[float, Meta(ge=1, le=MAX_INTERVAL, description="s")] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    location: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class ConfirmationBody(msgspec.Struct, kw_only=True):
    """The words by which a person confirms."""

    confirm: str | None = None


class Selection(msgspec.Struct, kw_only=True):
    """Sensors, and what to do with them."""

    action: Literal["attach", "detach", "delete"]
    sensors: Annotated[list[EuiText], Meta(max_length=100_000)]


class SensorEditBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Sensors, and what to change of each; null takes decoder or interval away. Other fields are kept."""

    sensors: Annotated[list[EuiText], Meta(max_length=100_000)]
    add_tags: Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)] = []
    remove_tags: Annotated[list[Annotated[str, Meta(max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)] = []
    decoder: Annotated[str, Meta(max_length=MAX_DECODER)] | msgspec.UnsetType | None = msgspec.UNSET
    interval: Annotated[float, Meta(ge=1, le=MAX_INTERVAL, description="s")] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )


class SensorsEdited(Done, kw_only=True):
    """Sensors were changed, or would be."""

    sensors: int
    changed: int
    """sensors that differ from before"""
    dry_run: bool


class SensorRow(Answer):
    """A sensor in a list."""

    eui: EuiText
    name: str
    shortAddr: str
    bidi: bool
    tags: list[str]
    registration: AttachmentState
    over_the_air: bool
    reason: str
    attached_at: int
    """base stations at which it is attached"""
    attached_at_connected: int
    refused_by: int
    status: str
    warning: bool
    inactive_seconds: float | None
    seconds_until_detach: float | None
    """s in which a base station is connected, until it is detached because of its silence; None: it is not"""
    detach_at: float | None
    """Unix seconds of that, if it stays silent and a base station connected; None also while none is"""
    last_seen_at: float | None
    cnt: int | None
    uplinks: int
    preferred_path: EuiText | None
    snr: float | None
    rssi: float | None
    heard_by_station_at: float | None
    """when the requested station last heard it; `snr` and `rssi` are then of that station"""


class SensorPage(Answer):
    """A page of sensors; ``matching`` were found of ``total``."""

    sensors: list[SensorRow]
    total: int
    matching: int
    page: int
    per_page: int
    pages: int
    counts: dict[str, int]


class SensorRegistration(Answer):
    """Registration of a sensor at a base station."""

    base_station_eui: EuiText
    name: str | None
    connected: bool
    state: str
    code: int | None
    message: str | None
    timestamp: float | None


class SensorPath(Answer):
    """Quality of a sensor's reception at a base station."""

    base_station_eui: EuiText
    snr: float
    rssi: float
    last_heard_at: float
    preferred: bool
    connected: bool


class SensorAttachment(Answer):
    """Attachment of a sensor: its state, since when and why."""

    state: AttachmentState
    reason: str
    since: float | None
    attach_counter: int | None


class SensorDetail(SensorRow):
    """One sensor with all details; its key is masked."""

    configuration: dict[str, Any]
    registrations: list[SensorRegistration]
    paths: list[SensorPath]
    silence_limit: float
    """s of silence until it is detached"""
    warning_limit: float
    """s of silence until the warning"""
    attachment: SensorAttachment
    decoding: DecodingCounts | None
    """None: this service runs without decoders"""


class UnknownSensorRow(Answer):
    """A sensor that is heard and not configured."""

    eui: EuiText
    first_heard_at: float
    last_heard_at: float
    uplinks: int
    attach_requests: int
    snr: float
    rssi: float
    base_station_eui: EuiText
    stations: int


class UnknownList(Answer):
    """Sensors that are heard and not configured, the one that was heard last first."""

    total: int
    sensors: list[UnknownSensorRow]


class RevealedKey(Done):
    """A network key."""

    nwKey: str


class SensorStored(SensorOutcome, kw_only=True):
    """A sensor was added or changed."""

    created: bool
