"""Records of the journal that are neither a reception, an event nor the row of a keyed table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from bssci.journal.kept import (
    Activity,
    AlarmRecord,
    Attachment,
    DeviceRecord,
    GatewayRecord,
    ListeningRecord,
    LiveSession,
    PathRecord,
    RefusedConnection,
    Replay,
    Silence,
    StationEntry,
    StationRecord,
    TelegramKey,
    UnknownRecord,
)
from bssci.model import EUI, Downlink, Reception, StationStatus, Uplink

DownlinkPlace = Literal["", "asked", "held", "revoking"]


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
    """commits that failed since the last that stored something"""
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
