"""What the journal keeps that is neither a reception nor an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bssci.model import EUI


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session that its base station may resume (§5.3)."""

    base_station_eui: EUI
    sn_bs_uuid: bytes
    """16 bytes: the station's identifier of it"""
    sn_sc_uuid: bytes
    """16 bytes: ours"""
    version: str
    """that was agreed on"""
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
    """What a base station was told about a sensor, and what it answered."""

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
class StationRecord:
    """A base station that has had a session with us."""

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
    """where it connected from last"""
    certificate: bytes | None = None
    """that it showed there: DER"""
    reason: str | None = None
    """why it went, for people; empty: it has not; None: not known"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The uplinks of a sensor, summed up."""

    end_point_eui: EUI
    last_seen_at: float
    """Unix seconds"""
    packet_counter: int
    """the highest"""
    uplink_count: int
