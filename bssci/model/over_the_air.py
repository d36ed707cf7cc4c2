"""What sensors ask for over the air, as a base station passed it on (§5.6, §5.7)."""

from __future__ import annotations

import msgspec

from bssci.model.eui import EUI


class AttachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor wants to be attached."""

    end_point_eui: EUI
    base_station_eui: EUI
    """that heard it"""
    attach_counter: int
    nonce: bytes
    """4 bytes that the sensor drew"""
    signature: bytes
    """4 bytes, see :func:`bssci.model.attach_crypto.attach_signature`"""
    short_address: int | None
    """if the station assigned one"""
    dual_channel: bool
    repetition: bool
    wide_carrier_offset: bool
    long_block_distance: bool
    snr: float
    """dB"""
    rssi: float
    """dBm"""


class DetachRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor says goodbye."""

    end_point_eui: EUI
    base_station_eui: EUI
    """that heard it"""
    packet_counter: int
    signature: bytes
    """4 bytes"""
