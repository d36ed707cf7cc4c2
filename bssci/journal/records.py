"""Records of the journal other than receptions, events and rows of keyed tables."""

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
from bssci.model import EUI, Downlink, Reception, StationStatus
from bssci.model.states import RequestState

DownlinkPlace = Literal["", "asked", "held", "revoking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session that its base station may resume (§5.3)."""

    base_station_eui: EUI
    sn_bs_uuid: bytes
    """the station's UUID of the session, 16 bytes"""
    sn_sc_uuid: bytes
    """our UUID of the session, 16 bytes"""
    version: str
    """negotiated protocol version"""
    last_bs_op_id: int = 0
    """highest opId of the station that we have seen"""
    last_sc_op_id: int = 0
    """lowest opId that we have issued"""
    created_at: float
    """Unix seconds"""
    open_operations: list[tuple[int, bytes]] = field(default_factory=list)
    """(opId, message) of our operations that the station has not answered, in the order of issue"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Registration of a sensor at a base station: what was propagated, and the station's answer."""

    end_point_eui: EUI
    fingerprint: bytes
    """see :func:`bssci.model.sensor.attachment_fingerprint`; empty after a detach"""
    state: str
    """``attached``, ``detached`` or ``refused``"""
    code: int | None = None
    """error code of the station's refusal"""
    message: str | None = None
    at: float
    """Unix seconds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of the audit log: a change, or a secret that was shown."""

    at: float
    """Unix seconds"""
    who: str
    address: str
    action: str
    target: str = ""
    detail: str = ""
    """details for people; never a secret"""
    seq: int = 0
    """number, assigned when the entry is stored"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """A request that is to be carried out exactly once."""

    number: int
    """assigned when the request is stored"""
    source: str
    """the sink or source that brought the request, for example ``mqtt``"""
    topic: str
    """topic on which the request arrived"""
    payload: bytes
    received_at: float
    """Unix seconds"""
    state: RequestState = "received"
    answer: bytes | None = None
    """the final answer to the sender, as the source encoded it; until then what was done already, or None"""
    answered_at: float | None = None
    """Unix seconds"""


class StoredDownlink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A downlink, and where it is while it is queued."""

    downlink: Downlink
    place: DownlinkPlace = ""
    """empty: it waits here; otherwise ``downlink.base_station_eui`` was asked to queue it (``asked``), has
    agreed (``held``), or was asked to revoke it (``revoking``)"""
    then: Literal["", "revoked", "expired"] = ""
    """state that the downlink gets once no station holds it; empty: it stays queued"""
    session: bytes = b""
    """our UUID of the session in which it was placed at the station"""
    placed_at: float = 0.0
    """Unix seconds"""
    not_before: float = 0.0
    """Unix seconds until which it waits here"""
    due_at: float | None = None
    """Unix seconds when it has to be considered again"""
    is_doubtful: bool = False
    """true once a station has said that it does not hold it, and so may have sent it without a report yet"""


class Left(NamedTuple):
    """A downlink that may still be queued at a station, and must be revoked there."""

    base_station_eui: EUI
    queue_id: int
    end_point_eui: EUI


@dataclass(slots=True)
class DownlinkPicture:
    """A consistent snapshot of the downlinks of some sensors and stations."""

    named: dict[int, StoredDownlink] = field(default_factory=dict)
    """downlinks that the query named, by queue id or by the uplink that they answered"""
    queued: dict[EUI, list[StoredDownlink]] = field(default_factory=dict)
    """queued downlinks of each sensor: those at stations, then the next ones that wait, in order"""
    attached_at: dict[tuple[EUI, EUI], float] = field(default_factory=dict)
    """Unix seconds since when a sensor is attached at a station, by (station, sensor)"""
    left: list[Left] = field(default_factory=list)
    """downlinks of these sensors and stations that may be left at a station"""


class DownlinkCounts(NamedTuple):
    """Sensors and stations that have downlinks when the service starts."""

    queued: dict[EUI, int]
    """number of queued downlinks by sensor"""
    bound: set[EUI]
    """sensors with a queued downlink for certain uplinks"""
    sent: set[EUI]
    """sensors with a downlink that was sent and not acknowledged"""
    stations: set[EUI]
    """stations at which downlinks are queued"""
    last_queue_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Contents of the journal that the service needs when it starts."""

    stations: Mapping[EUI, StationRecord]
    statuses: Mapping[EUI, StationStatus]
    """last status report of each station that sent one"""
    sessions: Mapping[EUI, StoredSession]
    attachments: Mapping[EUI, Attachment]
    activities: Mapping[EUI, Activity]
    """activity of every sensor that was ever heard, up to the newest event"""
    silences: Mapping[EUI, Silence]
    paths: Mapping[EUI, PathRecord]
    paths_seq: int
    """number of the last event that the paths take into account"""
    listening: Mapping[int, ListeningRecord]
    """intervals with a connected station, in chronological order"""
    unknown: Mapping[EUI, UnknownRecord]
    facts: Mapping[str, str]
    replays: Mapping[int, Replay]
    live_sessions: Mapping[str, LiveSession]
    station_entries: Mapping[EUI, StationEntry]
    refusals: Mapping[str, RefusedConnection]
    alarms: Mapping[int, AlarmRecord]
    telegram_keys: Mapping[int, TelegramKey]
    """ids of the newest telegrams, by place in the ring"""
    devices: Mapping[str, DeviceRecord]
    gateways: Mapping[str, GatewayRecord]
    cursors: Mapping[str, int]
    """number of the last event that each sink has delivered"""
    downlinks: DownlinkCounts
    requests: tuple[StoredRequest, ...]
    """requests without an answer, in the order in which they came"""
    receptions: tuple[tuple[int, list[Reception]], ...]
    """contents of the inbox: the receptions of each commit with its last position, in order"""
    last_seq: int
    """number of the newest event"""
    last_event_at: float
    """Unix seconds of the newest event; 0 without any"""


@dataclass(slots=True)
class JournalStatistics:
    """Counts since the start, for the reactor's thread."""

    commits: int = 0
    failed_commits: int = 0
    failed_in_row: int = 0
    """commits that failed since the last that stored something"""
    rows: int = 0
    last_commit_seconds: float = 0.0
    forgotten: int = 0
    """delivered events that were deleted to make room"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Size of the journal. Only undelivered events fill it, since others are deleted to make room."""

    size: int
    """bytes of its file, including what is in the write-ahead log only"""
    max_size: int
    """bytes that the file may take up"""
    log_size: int = 0
    """bytes of the write-ahead log, which takes room on the disk beside the file"""
    undelivered: int
    """approximate bytes of the events that at least one sink has yet to take"""
    unreadable: int
    """damaged entries that were skipped since the start"""

    @property
    def share(self) -> float:
        """Return the undelivered fraction of the maximum size: 0..1."""
        return min(1.0, self.undelivered / self.max_size)
