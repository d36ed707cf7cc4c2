"""Rows of the journal's keyed tables: one class for each table.

The fields of a row are its columns, and ``KEY`` names the key column. Values that SQL has no type for are
stored as MessagePack. A new table needs a class here, its entry in :data:`KEPT`, and a ``CREATE TABLE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from bssci.model import EUI
from bssci.model.eui import parse_eui
from bssci.model.states import AttachmentState, Severity


class Kept:
    """A row of a keyed table, which is stored, replaced and deleted by its key."""

    __slots__ = ()

    TABLE: ClassVar[str]
    KEY: ClassVar[str]
    """the field that identifies the row"""
    FIXED: ClassVar[frozenset[str]] = frozenset()
    """fields that keep the value that was stored first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord(Kept):
    """A base station that has had a session with us."""

    TABLE: ClassVar[str] = "station"
    KEY: ClassVar[str] = "base_station_eui"
    FIXED: ClassVar[frozenset[str]] = frozenset({"first_seen_at"})

    base_station_eui: EUI
    first_seen_at: float
    """Unix seconds; never changes"""
    last_seen_at: float
    """Unix seconds when the station last connected or disconnected"""
    vendor: str | None = None
    model: str | None = None
    name: str | None = None
    software_version: str | None = None
    info: Mapping[str, object] | None = None
    address: str | None = None
    """address from which the station last connected: host:port"""
    certificate: bytes | None = None
    """certificate that the station presented at its last connection, as DER"""
    reason: str | None = None
    """reason for the disconnection, for people; empty: the station is connected; None: unknown"""


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
    """The attachment of a sensor, if it differs from the default: attached with its configured key."""

    TABLE: ClassVar[str] = "attachment"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    state: AttachmentState
    session_key: bytes | None = None
    """session key of an attachment over the air, 16 bytes; secret"""
    short_address: int | None = None
    """short address that the sensor got over the air, 0..65535"""
    attach_counter: int | None = None
    """last attach counter that was accepted, 24 bits; kept when the sensor is detached"""
    reason: str
    """``command``, ``over the air`` or ``inactivity``"""
    since: float
    """Unix seconds"""
    key_digest: bytes | None = None
    """see :func:`bssci.model.sensor.key_digest`; None: not known"""

    @property
    def over_the_air(self) -> bool:
        return self.session_key is not None

    def __repr__(self) -> str:
        return f"Attachment({self.end_point_eui} {self.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Kept):
    """State of the silence detection for a configured sensor."""

    TABLE: ClassVar[str] = "silence"
    KEY: ClassVar[str] = "end_point_eui"

    end_point_eui: EUI
    attached_at: float
    """Unix seconds, from which on its silence may count"""
    how: Literal["configured", "command", "over the air"]
    """the way in which the sensor was attached"""
    warned_since: float | None = None
    """Unix seconds when the silence began for which the last warning was sent"""
    detached_since: float | None = None
    """Unix seconds when the silence began for which the sensor was last detached"""


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
    """An interval in which at least one base station was connected, so that sensors could be heard."""

    TABLE: ClassVar[str] = "listening"
    KEY: ClassVar[str] = "number"

    number: int
    """number of the interval, in chronological order"""
    began_at: float
    """Unix seconds"""
    ended_at: float
    """Unix seconds"""


OWN_EUI = "sc_eui"
"""name of the fact that holds the service center's own EUI"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Kept):
    """A fact about this installation, for example its own EUI."""

    TABLE: ClassVar[str] = "setting"
    KEY: ClassVar[str] = "name"

    name: str
    value: str

    def __post_init__(self) -> None:
        """Refuse a damaged EUI of our own, with which no station could be answered.

        :raises ValueError: it is none.
        """
        if self.name == OWN_EUI:
            parse_eui(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay(Kept):
    """A request to deliver stored messages again to one sink, and its progress."""

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
    """number of the event before the first one to replay; None: not determined yet"""
    seq: int | None = None
    """number of the last event that has been processed"""
    last_seq: int | None = None
    """number of the last event to replay"""
    delivered: int = 0
    """messages that the sink has accepted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEntry(Kept):
    """Entry of people about a base station, possibly before it connects: name, place, tags, note, block."""

    TABLE: ClassVar[str] = "station_entry"
    KEY: ClassVar[str] = "base_station_eui"

    base_station_eui: EUI
    name: str = ""
    """name given by people; empty: the name that the station reports"""
    location: Mapping[str, object] | None = None
    """place of the station: ``lat`` and ``lon`` (degrees), ``text``, each optional"""
    tags: tuple[str, ...] = ()
    note: str = ""
    entered_at: float
    """Unix seconds"""
    blocked_at: float | None = None
    """Unix seconds since when the station is refused; None: it is not blocked"""
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
    """advice for people"""
    base_station_eui: EUI | None = None
    """EUI that the peer gave, or that its certificate names"""
    subject: str | None = None
    """subject of the certificate that was presented"""
    issuer: str | None = None
    """issuer of that certificate"""
    count: int
    first_at: float
    """Unix seconds"""
    at: float
    """Unix seconds of the last refusal"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord(Kept):
    """An alarm: what was wrong, since when and until when."""

    TABLE: ClassVar[str] = "alarm"
    KEY: ClassVar[str] = "number"

    number: int
    """number of the alarm, in chronological order"""
    id: str
    """condition and subject: ``station-offline:CAFE000000000001``"""
    severity: Severity
    text: str
    href: str
    """page of the web admin with details"""
    since: float
    """Unix seconds"""
    until: float | None = None
    """Unix seconds; None while the alarm is open"""
    returns: int = 0
    """times that the condition came back soon after it had ended, which reopened the alarm"""
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None
    """Unix seconds"""
    begin_told: int = 0
    """1 once a message about the beginning has been sent, or there was nobody to send it to; 2 if the alarm
    was a warning then"""
    end_told: int = 0
    """1 once a message about the end has been sent, or none is to be sent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramKey(Kept):
    """Id of a telegram that was accepted, by which a second delivery of it is recognised."""

    TABLE: ClassVar[str] = "telegram_key"
    KEY: ClassVar[str] = "slot"

    slot: int
    """place in a ring of fixed size, in which the newest ids overwrite the oldest"""
    number: int
    """number of the id, in the order in which telegrams came"""
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession(Kept):
    """The persistent session of a client of the live stream."""

    TABLE: ClassVar[str] = "live_session"
    KEY: ClassVar[str] = "key"

    key: str
    """token's id and client identifier"""
    token_id: str
    client_id: str
    filters: Mapping[str, object]
    """granted QoS by topic filter"""
    position: int
    """number of the last event that the client is known to have received"""
    seen_at: float
    """Unix seconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord(Kept):
    """A device other than a mioty sensor, as its writer encoded it."""

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
