"""Checks of a requested downlink before it is stored (§5.12)."""

from __future__ import annotations

import math
from typing import NoReturn

from msgspec.structs import replace

from bssci.center.devices.sensors import Sensors
from bssci.model import EUI, DownlinkRequest, Sensor
from bssci.model.commands import CommandError
from bssci.model.downlink import MAX_DATA

MAX_COUNTER = 0xFFFF_FFFF
MAX_COUNTERS = 64
"""entries of one downlink"""
MAX_PRIORITY = 3.4e38
"""largest value of a 32-bit float, which the wire carries"""
MAX_EXPIRES_IN = 10 * 365 * 86400.0
"""s after which a downlink expires, at most"""
_FLAGS = ("response_expected", "response_priority", "downlink_window_request", "expect_only")


def check_sensor(sensors: Sensors, eui: EUI) -> Sensor:
    """Return a sensor that can receive downlinks.

    :raises CommandError: ``unknown_sensor`` or ``not_bidirectional``.
    """
    sensor = sensors.get(eui)
    if sensor is None:
        raise CommandError("unknown_sensor", f"{eui} is not configured: add it first", "eui")
    if not sensor.bidirectional:
        raise CommandError(
            "not_bidirectional",
            f"{eui} cannot receive downlinks: it is not configured with bidi true",
            "eui",
        )
    return sensor


def can_receive(sensors: Sensors, eui: EUI) -> bool:
    """Return whether a sensor is configured, and bidirectional."""
    sensor = sensors.get(eui)
    return sensor is not None and sensor.bidirectional


def check_request(request: DownlinkRequest) -> DownlinkRequest:
    """Return the request, checked and in its canonical form.

    :raises CommandError: ``invalid``, naming the field and what is allowed.
    """
    for field in _FLAGS:
        if not isinstance(getattr(request, field), bool):
            _refuse(field, "must be true or false")
    if not _is_integer(request.format) or not 0 <= request.format <= 255:
        _refuse("format", "must be a whole number from 0 to 255")
    if not _is_number(request.priority) or abs(request.priority) > MAX_PRIORITY:
        _refuse("priority", "must be a number that 32 bits can hold")
    if request.expires_in is not None and (
        not _is_number(request.expires_in) or not 0 < request.expires_in <= MAX_EXPIRES_IN
    ):
        _refuse("expires_in", f"must be above 0 and at most {MAX_EXPIRES_IN:.0f} s from now")
    if request.ref is not None and (isinstance(request.ref, bool) or not isinstance(request.ref, (str, int))):
        _refuse("ref", "must be text or a whole number")
    for data in request.data:
        if not isinstance(data, bytes) or len(data) > MAX_DATA:
            _refuse("data", f"must have at most {MAX_DATA} bytes")
    return _check_counters(request)


def _check_counters(request: DownlinkRequest) -> DownlinkRequest:
    counters = request.packet_counters
    if counters is None:
        if len(request.data) > 1:
            _refuse("data", "must be one entry where there are no packet counters")
        # An acknowledgement without data has no entry, since one vendor's stations refuse an empty one.
        return replace(request, data=()) if request.data == (b"",) else request
    if not 1 <= len(counters) <= MAX_COUNTERS:
        _refuse("packet_counters", f"must be 1 to {MAX_COUNTERS} counters")
    if not all(_is_integer(counter) and 0 <= counter <= MAX_COUNTER for counter in counters):
        _refuse("packet_counters", f"must be whole numbers from 0 to {MAX_COUNTER}")
    if len(set(counters)) != len(counters):
        _refuse("packet_counters", "must differ")
    if len(request.data) != len(counters):
        _refuse("data", f"must have one entry for each of the {len(counters)} packet counters")
    if not all(request.data):
        _refuse("data", f"must have 1 to {MAX_DATA} bytes for each packet counter")
    return request


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    # A whole number of 400 digits, which JSON allows, is finite, but isfinite cannot say so.
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _refuse(field: str, allowed: str) -> NoReturn:
    raise CommandError("invalid", f"{field} {allowed}", field)
