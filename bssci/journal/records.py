"""Records of the journal that are neither a reception nor an event: one value object a table.

A :class:`Kept` is a row of a keyed table: its fields are the columns, ``KEY`` names the one by which it is
found. Columns that no plain value fits are kept as MessagePack. Adding a kept table is one class here, its
name in :data:`KEPT`, and its ``CREATE TABLE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import msgspec

from bssci.model import EUI, Downlink, Reception, StationStatus, Uplink

DownlinkPlace = Literal["", "asked", "held", "revoking"]


class Kept:
    """A row of a keyed table, which is stored, replaced and deleted by its key."""

    __slots__ = ()

    TABLE: ClassVar[str]
    KEY: ClassVar[str]
    """the field that names the row"""
    FIXED: ClassVar[frozenset[str]] = frozenset()
    """fields that keep what was stored first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord(Kept):
    """A base station that has had a session with us."""

    TABLE: ClassVar[str] = "station"
    KEY: ClassVar[str] = "base_station_eui"
    FIXED: ClassVar[frozenset[str]] = frozenset({"first_seen_at"})

    base_station_eui: EUI
    first_seen_at: float
    """Unix seconds; once stored it stays"""
    last_seen_at: float
    """Unix seconds: when it last connected or, if later, went"""
    vendor: str | None = None
    model: str | None = None
    name: str | None = None
    software_version: str | None = None
    info: Mapping[str, object] | None = None
    address: str | None = None
    """address that the station connected from last"""
    certificate: bytes | None = None
    """certificate that the station showed at its last connection, as DER"""
    reason: str | None = None
    """reason why the station went, for people; empty: it has not; None: not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(Kept):
    """The uplinks of a sensor, summed up."""

    TABLE: ClassVar[str] = "sensor_activity"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    last_seen_at: float
    """Unix seconds"""
    packet_counter: int
    """the highest"""
    uplink_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Kept):
    """A sensor's difference from "attached with its own key", which needs no record."""

    TABLE: ClassVar[str] = "attachment"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    state: Literal["attached", "detached"]
    session_key: bytes | None = None
    """16 bytes, of an attachment over the air. Secret"""
    short_address: int | None = None
    """short address that the sensor got over the air"""
    attach_counter: int | None = None
    """24 bits, the last that was accepted; kept when the sensor is detached"""
    reason: str
    """``command``, ``over the air`` or ``inactivity``"""
    since: float
    """Unix seconds"""

    @property
    def over_the_air(self) -> bool:
        return self.session_key is not None

    def __repr__(self) -> str:
        return f"Attachment({self.end_point_eui} {self.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Kept):
    """A configured sensor: since when its silence counts at most, and what was said about it."""

    TABLE: ClassVar[str] = "silence"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    attached_at: float
    """Unix seconds"""
    how: Literal["configured", "command", "over the air"]
    """the way in which the sensor was attached"""
    warned_since: float | None = None
    """Unix seconds when the last silence that was warned of began"""
    detached_since: float | None = None
    """Unix seconds when the last silence that it was detached for began"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRecord(Kept):
    """The base stations that heard a sensor lately, as the writer of this record encoded them."""

    TABLE: ClassVar[str] = "path"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRecord(Kept):
    """A sensor that was heard and is not configured, as its writer encoded it."""

    TABLE: ClassVar[str] = "unknown_sensor"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningRecord(Kept):
    """An interval in which a base station was connected, so that sensors could be heard."""

    TABLE: ClassVar[str] = "listening"
    KEY: ClassVar[str] = "number"

    number: int
    """number of the request, in the order of time"""
    began_at: float
    """Unix seconds"""
    ended_at: float
    """Unix seconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Kept):
    """A fact about this installation, for example its own EUI."""

    TABLE: ClassVar[str] = "setting"
    KEY: ClassVar[str] = "name"

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(Kept):
    """Kept messages that are delivered again to one sink, on request."""

    TABLE: ClassVar[str] = "replay"
    KEY: ClassVar[str] = "number"

    number: int
    sink: str
    from_at: float
    """Unix seconds"""
    to_at: float
    """Unix seconds"""
    devices: tuple[str, ...] = ()
    """ids of the senders; empty: all"""
    asked_by: str
    asked_at: float
    """Unix seconds"""
    state: Literal["open", "done", "cancelled"] = "open"
    ended_at: float | None = None
    """Unix seconds"""
    first_seq: int | None = None
    """number of the event before the first; None: not looked for yet"""
    seq: int | None = None
    """number of the last event that is dealt with"""
    last_seq: int | None = None
    """number of the last event of all"""
    delivered: int = 0
    """messages that the sink took"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEntry(Kept):
    """Entry of people about a base station: name, place, tags, note and block; also before it connects."""

    TABLE: ClassVar[str] = "station_entry"
    KEY: ClassVar[str] = "base_station_eui"

    base_station_eui: EUI
    name: str = ""
    """name for people; empty: as the station calls itself"""
    location: Mapping[str, object] | None = None
    """place of the station: ``lat`` and ``lon`` (degrees), ``text``, each optional"""
    tags: tuple[str, ...] = ()
    note: str = ""
    entered_at: float
    """Unix seconds"""
    blocked_at: float | None = None
    """Unix seconds since when the station is refused; None: it is not"""
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedConnection(Kept):
    """Connections from one address that were refused for one reason."""

    TABLE: ClassVar[str] = "refusal"
    KEY: ClassVar[str] = "key"

    key: str
    """digest of address, reason and station"""
    address: str
    reason: str
    remedy: str = ""
    """advice: what to do about it"""
    base_station_eui: EUI | None = None
    """the station that it said to be, or that its certificate names"""
    subject: str | None = None
    """subject of the certificate that was shown"""
    issuer: str | None = None
    """issuer of that certificate"""
    count: int
    first_at: float
    """Unix seconds"""
    at: float
    """Unix seconds, of the last"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord(Kept):
    """A thing that was wrong, since when and until when."""

    TABLE: ClassVar[str] = "alarm"
    KEY: ClassVar[str] = "number"

    number: int
    """number of the alarm, in the order of time"""
    id: str
    """condition and subject: ``station-offline:CAFE000000000001``"""
    severity: Literal["error", "warning"]
    text: str
    href: str
    """page of the web admin where one sees more of it"""
    since: float
    """Unix seconds"""
    until: float | None = None
    """Unix seconds; None: it is still wrong"""
    returns: int = 0
    """times that it came back in between"""
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None
    """Unix seconds"""
    begin_told: int = 0
    """1 once a message about its beginning has gone out, or none is wanted"""
    end_told: int = 0
    """1 once a message about its end has gone out, or none is wanted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramKey(Kept):
    """Id of a telegram that was taken: by it a second delivery is told from a new telegram."""

    TABLE: ClassVar[str] = "telegram_key"
    KEY: ClassVar[str] = "slot"

    slot: int
    """place in a ring of fixed size, so that the newest ids take the places of the oldest"""
    number: int
    """number of the id, in the order in which telegrams came"""
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession(Kept):
    """A session of a client of the live stream that may come back."""

    TABLE: ClassVar[str] = "live_session"
    KEY: ClassVar[str] = "key"

    key: str
    """token's id and client identifier"""
    token_id: str
    client_id: str
    filters: Mapping[str, object]
    """granted QoS by topic filter"""
    position: int
    """number of the last event that the client is known to have"""
    seen_at: float
    """Unix seconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord(Kept):
    """A device that is no mioty sensor, as its writer encoded it."""

    TABLE: ClassVar[str] = "device"
    KEY: ClassVar[str] = "id"

    id: str
    """id of the device, with its kind in front: ``ble:AA:BB:CC:DD:EE:FF``"""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRecord(Kept):
    """A scanner or controller, as its writer encoded it."""

    TABLE: ClassVar[str] = "gateway"
    KEY: ClassVar[str] = "id"

    id: str
    """id of the gateway, with its kind in front: ``scanner:roof``"""
    body: bytes


KEPT: tuple[type[Kept], ...] = (
    StationRecord,
    Activity,
    Attachment,
    Silence,
    PathRecord,
    UnknownRecord,
    ListeningRecord,
    Fact,
    Replay,
    StationEntry,
    RefusedConnection,
    AlarmRecord,
    TelegramKey,
    LiveSession,
    DeviceRecord,
    GatewayRecord,
)
"""every keyed table"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session that its base station may resume (§5.3)."""

    base_station_eui: EUI
    sn_bs_uuid: bytes
    """16 bytes: the station's identifier of it"""
    sn_sc_uuid: bytes
    """16 bytes: ours"""
    version: str
    """protocol version that station and service center agreed on"""
    last_bs_op_id: int = 0
    """the highest that we have seen"""
    last_sc_op_id: int = 0
    """the lowest that we have issued"""
    created_at: float
    """Unix seconds"""
    open_operations: list[tuple[int, bytes]] = field(default_factory=list)
    """(operation id, message) that we issued and the station did not complete, in the order of issue"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Registration of a sensor at a base station: the order and the station's answer."""

    end_point_eui: EUI
    fingerprint: bytes
    """stands for the configuration that it was told"""
    state: str
    code: int | None = None
    """the station's error code, of a refusal"""
    message: str | None = None
    at: float
    """Unix seconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Somebody changed something, or was shown a secret."""

    at: float
    """Unix seconds"""
    who: str
    address: str
    action: str
    target: str = ""
    detail: str = ""
    """details for people; holds no secret"""
    seq: int = 0
    """given when it is stored"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """A request that is to be carried out once."""

    number: int
    """given when it is stored"""
    source: str
    """the sink or source that brought the request, for example ``mqtt``"""
    topic: str
    """the topic that the request arrived on"""
    payload: bytes
    received_at: float
    """Unix seconds"""
    state: Literal["received", "done", "failed"] = "received"
    answer: bytes | None = None
    """the final answer to the sender, as the source encoded it; None until then"""
    answered_at: float | None = None
    """Unix seconds"""


class StoredDownlink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A downlink, and where a queued one lies."""

    downlink: Downlink
    place: DownlinkPlace = ""
    """"" waits here; at ``downlink.base_station_eui`` otherwise"""
    then: Literal["", "revoked", "expired"] = ""
    """the downlink's state as soon as no station holds it; "" = it goes on"""
    session: bytes = b""
    """our identifier of the session in which it was placed"""
    placed_at: float = 0.0
    """Unix seconds"""
    not_before: float = 0.0
    """Unix seconds: it waits here until then"""
    due_at: float | None = None
    """Unix seconds: when it must be looked at again"""


class Left(NamedTuple):
    """A downlink that may lie at a station, from which it is to be revoked."""

    base_station_eui: EUI
    queue_id: int
    end_point_eui: EUI


@dataclass(slots=True)
class DownlinkPicture:
    """State of the downlinks of the sensors and stations that were asked about, at one moment."""

    named: dict[int, StoredDownlink] = field(default_factory=dict)
    """downlinks that were named by queue id, or by the uplink that they answered"""
    queued: dict[EUI, list[StoredDownlink]] = field(default_factory=dict)
    """downlinks of each sensor: those at stations, then those that are next, in order"""
    attached_at: dict[tuple[EUI, EUI], float] = field(default_factory=dict)
    """(station, sensor) that is attached there: since when, in Unix seconds"""
    left: list[Left] = field(default_factory=list)
    """downlinks that stations should have given back, of the sensors and stations that were asked about"""


class DownlinkCounts(NamedTuple):
    """The sensors and stations that have downlinks, at the start."""

    queued: dict[EUI, int]
    bound: set[EUI]
    """sensors with a queued one for certain counters"""
    sent: set[EUI]
    """sensors with a downlink that was sent and not acknowledged"""
    stations: set[EUI]
    """stations at which queued downlinks lie"""
    last_queue_id: int


NumberedUplinks = list[tuple[int, Uplink]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Everything that the service needs of the journal when it starts."""

    stations: Mapping[EUI, StationRecord]
    statuses: Mapping[EUI, StationStatus]
    """each station's last report, of the stations that sent one"""
    sessions: Mapping[EUI, StoredSession]
    attachments: Mapping[EUI, Attachment]
    activities: Mapping[EUI, Activity]
    """activity of every sensor that ever was heard, up to the newest event"""
    silences: Mapping[EUI, Silence]
    paths: Mapping[EUI, PathRecord]
    paths_seq: int
    """the last event that is counted into the paths of all sensors"""
    listening: Mapping[int, ListeningRecord]
    """periods with a connected station, in the order of time"""
    unknown: Mapping[EUI, UnknownRecord]
    facts: Mapping[str, str]
    replays: Mapping[int, Replay]
    live_sessions: Mapping[str, LiveSession]
    station_entries: Mapping[EUI, StationEntry]
    refusals: Mapping[str, RefusedConnection]
    alarms: Mapping[int, AlarmRecord]
    telegram_keys: Mapping[int, TelegramKey]
    """ids of the newest telegrams, by their place in the ring"""
    devices: Mapping[str, DeviceRecord]
    gateways: Mapping[str, GatewayRecord]
    cursors: Mapping[str, int]
    """the last event that each sink has delivered"""
    downlinks: DownlinkCounts
    requests: tuple[StoredRequest, ...]
    """requests without an answer, in the order in which they came"""
    receptions: tuple[tuple[int, list[Reception]], ...]
    """the inbox, in order: commit by commit, each with its last position"""
    last_seq: int
    """number of the newest event"""
    last_event_at: float
    """Unix seconds of the newest event; 0 without any"""


@dataclass(slots=True)
class JournalStatistics:
    """Counted since the start, read in the reactor's thread."""

    commits: int = 0
    failed_commits: int = 0
    failed_in_row: int = 0
    """commits that failed since the last that did not"""
    rows: int = 0
    last_commit_seconds: float = 0.0
    forgotten: int = 0
    """delivered events that made room"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Fullness of the journal. Entries that every sink has taken make room, so only the rest fills it."""

    size: int
    """bytes on disk"""
    max_size: int
    """bytes that it may come to"""
    undelivered: int
    """bytes, about, of the events that some sink has yet to take"""
    unreadable: int
    """damaged entries that were passed over, since the start"""

    @property
    def share(self) -> float:
        """Return the undelivered part of all that may be kept: 0..1."""
        return min(1.0, self.undelivered / self.max_size)
