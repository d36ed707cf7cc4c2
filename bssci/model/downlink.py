"""A downlink: the request, its progress, and the orders to base stations that carry it out."""

from __future__ import annotations

from typing import Literal

import msgspec

from bssci.model.eui import EUI

MAX_DATA = 200
"""bytes of one downlink"""

DownlinkState = Literal["queued", "sent", "acknowledged", "expired", "invalid", "revoked", "failed"]
OrderKind = Literal["queue", "revoke"]
RefusalReason = Literal["busy", "unable", "unknown", "wrong"]
"""Reason for which a base station refuses an order: ``busy``: it may accept it later; ``unable``: it sends no
downlinks at all; ``unknown``: it does not know the sensor or the downlink; ``wrong``: it will never accept
this one."""


class DownlinkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to send data to a sensor (§5.12)."""

    end_point_eui: EUI
    data: tuple[bytes, ...]
    """one entry, or one for each of ``packet_counters``; none to send an acknowledgement only"""
    packet_counters: tuple[int, ...] | None = None
    """send only as the answer to an uplink with one of these counters; None: to the next uplink"""
    format: int = 0
    priority: float = 0.0
    """higher first"""
    response_expected: bool = False
    response_priority: bool = False
    downlink_window_request: bool = False
    expect_only: bool = False
    expires_in: float | None = None
    """s from now; None: never"""
    ref: str | int | None = None
    """reference chosen by the requester, repeated in every answer"""

    @property
    def is_bound(self) -> bool:
        """Return whether the downlink waits for certain uplinks, so that later downlinks may overtake it."""
        return self.packet_counters is not None or self.expect_only


class Downlink(msgspec.Struct, frozen=True, kw_only=True):
    """A downlink and its state; stored, so that it survives a restart."""

    queue_id: int
    """positive and unique in this installation; identifies the downlink at the stations"""
    request: DownlinkRequest
    state: DownlinkState
    created_at: float
    """Unix seconds"""
    expires_at: float | None = None
    base_station_eui: EUI | None = None
    """the station that holds or sent it; None while no station can take it"""
    tx_time: int | None = None
    """ns UTC of the station's clock"""
    packet_counter: int | None = None
    """counter of the uplink that the downlink answered"""
    end_point_snr: float | None = None
    """signal-to-noise ratio at the sensor, dB; None unless the sensor reported it"""
    end_point_rssi: float | None = None
    """received signal strength at the sensor, dBm; None unless the sensor reported it"""
    message: str | None = None
    """reason for which the downlink failed or waits"""
    changed_at: float = 0.0
    """Unix seconds of the last change of state"""


class DownlinkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to a base station: queue a downlink, or revoke it (§5.12, §5.13)."""

    kind: OrderKind
    queue_id: int
    end_point_eui: EUI
    request: DownlinkRequest | None = None
    """the downlink to queue; None to revoke one"""


class DownlinkResult(msgspec.Struct, frozen=True, kw_only=True):
    """A base station's report of what became of a queued downlink (§5.14)."""

    base_station_eui: EUI
    end_point_eui: EUI
    queue_id: int
    result: Literal["sent", "expired", "invalid"]
    tx_time: int | None = None
    """ns UTC of the station's clock, if sent"""
    packet_counter: int | None = None
    """counter of the uplink that the downlink answered, if sent"""


class ReceptionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor's report of how well it received a downlink, forwarded by a base station (§5.15)."""

    base_station_eui: EUI
    end_point_eui: EUI
    packet_counter: int
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""
