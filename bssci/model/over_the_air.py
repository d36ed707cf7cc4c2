"""Sensors' requests over the air, as a base station passed them on (§5.6, §5.7)."""

from __future__ import annotations

import msgspec

from bssci.model.eui import EUI


class AttachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor wants to be attached."""

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
    """signal to noise, dB"""
    rssi: float
    """strength, dBm"""


class DetachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor says goodbye."""

    end_point_eui: EUI
    base_station_eui: EUI
    """the station that heard the request"""
    packet_counter: int
    signature: bytes
    """4 bytes that prove the sensor's key"""
