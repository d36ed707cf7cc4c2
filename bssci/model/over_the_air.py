"""Requests that sensors make over the air, as forwarded by a base station (§5.6, §5.7)."""

from __future__ import annotations

import msgspec

from bssci.model.eui import EUI


class AttachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor asks to be attached."""

    end_point_eui: EUI
    base_station_eui: EUI
    """the station that heard the request"""
    attach_counter: int
    nonce: bytes
    """4 bytes that the sensor drew"""
    signature: bytes
    """4 bytes, see :func:`bssci.model.attach_crypto.attach_signature`"""
    short_address: int | None
    """the short address that the station assigned, if any"""
    dual_channel: bool
    repetition: bool
    wide_carrier_offset: bool
    long_block_distance: bool
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""


class DetachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor asks to be detached."""

    end_point_eui: EUI
    base_station_eui: EUI
    """the station that heard the request"""
    packet_counter: int
    signature: bytes
    """4 bytes that prove that the sensor knows its key"""
