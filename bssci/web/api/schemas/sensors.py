"""Sensors and downlinks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.model.sensor import MAX_DECODER, MAX_INTERVAL, MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.web.api.schemas.common import Answer, EuiText, Point, SensorOutcome
from bssci.web.api.schemas.readings import DecodingCounts
from bssci.web.http.reading import TypedEui, wording
from bssci.web.http.replies import Done
from bssci.web.reports.standings import StatusName

MAX_PER_PAGE = 500
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
Sort = Literal[
    "eui",
    "name",
    "last_seen_at",
    "uplinks",
    "status",
    "snr",
    "-eui",
    "-name",
    "-last_seen_at",
    "-uplinks",
    "-status",
    "-snr",
]

# queries


class WantedSensors(msgspec.Struct, kw_only=True):
    """Selection of sensors, and the page of them."""

    q: Annotated[str, Meta(description="part of EUI, name or tag")] = ""
    status: Annotated[StatusName | None, Meta(description="state")] = None
    sort: Annotated[Sort, Meta(description="by what; - in front turns it round")] = "eui"
    tag: Annotated[str, Meta(description="only with this tag")] = ""
    station: Annotated[TypedEui | None, Meta(description="only those that this base station hears")] = None
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


class WantedWrong(msgspec.Struct, kw_only=True):
    """Length of the list of wrong entries."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="how many")] = 100


class WantedFile(msgspec.Struct, kw_only=True):
    """Format and content of an exported file of sensors."""

    format: Annotated[Literal["json", "csv"], Meta(description="of the file")] = "json"
    keys: Annotated[bool, Meta(description="1: with network keys")] = False
    separator: Annotated[
        Literal["comma", "semicolon", "tab"], Meta(description="what stands between the cells of CSV")
    ] = "comma"


# bodies


class SensorEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A sensor as endpoints.json has it; other fields are kept. Of a known sensor stays what is not named."""

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
    """Fields of a sensor that change; null takes one away. Others of its fields are kept."""

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


class ExportedSensor(SensorEntry, kw_only=True):
    """A sensor as endpoints.json has it, with its key or a masked one."""

    nwKey: Annotated[str, Meta(pattern=r"^([0-9A-F]{32}|\*+)$")]


class ConfirmationBody(msgspec.Struct, kw_only=True):
    """The words by which a person confirms."""

    confirm: str | None = None


class Selection(msgspec.Struct, kw_only=True):
    """Sensors, and what to do with them."""

    action: Literal["attach", "detach", "delete"]
    sensors: Annotated[list[EuiText], Meta(max_length=100_000)]


class DownlinkBody(msgspec.Struct, kw_only=True):
    """A downlink to queue."""

    data: Annotated[
        list[Any] | str | dict[str, str],
        Meta(
            description=(
                'integers from 0 to 255, hexadecimal digits or {"base64": text}; with cnt a list of them'
            )
        ),
    ]
    format: Annotated[int, Meta(ge=0, le=255)] = 0
    prio: float = 0.0
    responseExp: bool = False
    responsePrio: bool = False
    dlWindReq: bool = False
    expOnly: bool = False
    cnt: Annotated[list[int] | None, Meta(description="packet counters, with an entry of data each")] = None
    ref: Annotated[str | int | None, Meta(description="comes back in what is told of the downlink")] = None
    expires_in: Annotated[float | None, Meta(description="s")] = None


# answers


class SensorRow(Answer):
    """A sensor in a list."""

    eui: EuiText
    name: str
    shortAddr: str
    bidi: bool
    tags: list[str]
    registration: Literal["attached", "detached"]
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
    last_seen_at: float | None
    cnt: int | None
    uplinks: int
    preferred_path: EuiText | None
    snr: float | None
    rssi: float | None
    heard_by_station_at: float | None
    """when the station that was asked for heard it last; `snr` and `rssi` are that station's then"""


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

    state: Literal["attached", "detached"]
    reason: str
    since: float | None
    attach_counter: int | None


class SensorDetail(SensorRow):
    """Everything about one sensor; its key is masked."""

    configuration: dict[str, Any]
    registrations: list[SensorRegistration]
    paths: list[SensorPath]
    silence_limit: float
    """s of silence until it is detached"""
    warning_limit: float
    """s of silence until it is warned of"""
    attachment: SensorAttachment
    decoding: DecodingCounts | None
    """None: this service runs without decoders"""


class ReceptionEntry(Answer):
    """A copy of an uplink."""

    bs_eui: EuiText
    rxTime: int
    snr: float
    rssi: float
    eqSnr: float | None
    received_at: float


class UplinkEntry(Answer, kw_only=True):
    """A stored uplink, with the copies that it was merged from, best first."""

    seq: int
    timestamp: float
    id: str
    sensor_eui: EuiText
    device_id: str
    bs_eui: EuiText
    base_station_eui: EuiText
    """the same, by an older name"""
    cnt: int
    data: list[int]
    dataHex: str
    size: int
    rxTime: int
    time: str
    snr: float
    rssi: float
    eqSnr: float | msgspec.UnsetType = msgspec.UNSET
    format: int
    dlOpen: bool
    responseExp: bool
    dlAck: bool
    mode: str | None
    profile: str | None
    duplicates: int
    known: bool
    received_at: float
    baseStations: list[ReceptionEntry]


class UplinkList(Answer):
    """Stored uplinks, newest first; ``next`` is the ``before`` of the following part."""

    uplinks: list[UplinkEntry]
    next: int | None


class StationSignal(Answer):
    """Signal of a sensor at one base station over time."""

    snr: list[Point]
    rssi: list[Point]


class SensorSignal(Answer):
    """Signal by base station, and how many counters were lost."""

    start: float
    end: float
    uplinks: int
    lost: int
    lost_before: dict[int, int]
    """counters lost right before an uplink, by its number"""
    stations: dict[str, StationSignal]


class DownlinkEntry(Answer):
    """A downlink, and what became of it."""

    queId: int
    state: str
    data: list[list[int]]
    dataHex: list[str]
    cnt: list[int] | None
    format: int
    prio: float
    responseExp: bool
    ref: str | int | None
    created_at: float
    changed_at: float
    expires_at: float | None
    bs_eui: EuiText | None
    txTime: int | None
    answered_cnt: int | None
    snr: float | None
    rssi: float | None
    message: str | None


class DownlinkList(Answer):
    """The newest downlinks, newest first."""

    downlinks: list[DownlinkEntry]


class DownlinkTaken(DownlinkEntry, kw_only=True):
    """A downlink that was queued or revoked."""

    success: Literal[True] = True


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


class WrongEntryRow(Answer):
    """An entry of the sensors' file that is wrong."""

    entry: int
    """its place in the file, from 1"""
    eui: EuiText | None
    problem: str
    used: bool
    """the sensor is in force as it was before"""


class WrongEntries(Answer):
    """Entries of the sensors' file that are not in force, and why the file itself is not."""

    file: str
    trouble: str
    """why the file as a whole is not read; empty: it is"""
    total: int
    entries: list[WrongEntryRow]


class RevealedKey(Done):
    """A network key."""

    nwKey: str


class SensorStored(SensorOutcome, kw_only=True):
    """A sensor was added or changed."""

    created: bool


class Reloaded(Done):
    """Numbers of sensors to be attached and detached after reading the file again."""

    attach: int
    detach: int


class WrongRow(Answer):
    """A row of a file that cannot be read."""

    row: int
    field: str
    message: str


class ImportReport(Answer):
    """Numbers of rows in an imported file, with the errors."""

    rows: int
    valid: int
    wrong: int
    added: int
    changed: int
    unchanged: int
    errors: list[WrongRow]


class Imported(ImportReport, kw_only=True):
    """Result of an import, or of a dry run of it."""

    success: Literal[True] = True
    dry_run: bool
    outcomes: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    partially_failed: bool | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
