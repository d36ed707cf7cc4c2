"""Uplinks of a sensor, and its signal over time."""

from __future__ import annotations

import msgspec

from bssci.web.api.schemas.common import Answer, EuiText, Point


class ReceptionEntry(Answer):
    """A copy of an uplink."""

    bs_eui: EuiText
    rxTime: int
    snr: float
    rssi: float
    eqSnr: float | None
    received_at: float


class Component(Answer):
    """A reading."""

    value: float | int | bool | str
    unit: str | msgspec.UnsetType = msgspec.UNSET
    device: str | msgspec.UnsetType = msgspec.UNSET
    """id of the device that it belongs to, if that is not the sender"""


class DecodeProblem(Answer):
    """The reason for which a payload could not be decoded."""

    code: str
    message: str


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
    decoder: str | msgspec.UnsetType = msgspec.UNSET
    """name and version: ``name@version``"""
    components: dict[str, Component] | msgspec.UnsetType = msgspec.UNSET
    """readings by name"""
    decodeError: DecodeProblem | msgspec.UnsetType = msgspec.UNSET
    decodeWarnings: list[str] | msgspec.UnsetType = msgspec.UNSET
    values: str | msgspec.UnsetType = msgspec.UNSET
    """readings as text, or the reason why there are none"""


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
