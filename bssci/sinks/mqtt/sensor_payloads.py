"""Topics and payloads of what happens to a sensor beside its uplinks."""

from __future__ import annotations

from typing import Any

from bssci.model import (
    CommandResponse,
    DownlinkReception,
    DownlinkStatus,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
)

Payload = tuple[str, dict[str, Any]]


def sensor_status(event: SensorStatus) -> Payload:
    """``ep/{EUI}/status``: attached, detached, attach_failed, detach_failed"""
    payload: dict[str, Any] = {
        "action": event.action,
        "sensor_eui": event.end_point_eui,
        "base_station_eui": event.base_station_eui,
        "timestamp": event.at,
    }
    if event.action in ("attached", "detached"):
        payload["over_the_air"] = event.over_the_air
    else:
        payload["code"] = event.code
        payload["message"] = event.message
    return f"ep/{event.end_point_eui}/status", payload


def auto_detached(event: SensorAutoDetached) -> Payload:
    """``ep/{EUI}/status``: auto_detached"""
    return f"ep/{event.end_point_eui}/status", {
        "action": "auto_detached",
        "sensor_eui": event.end_point_eui,
        "reason": "inactivity",
        "inactive_hours": event.inactive_hours,
        "threshold_hours": event.threshold_hours,
        "timestamp": event.at,
    }


def warning(event: SensorWarning) -> Payload:
    """``ep/{EUI}/warning``"""
    return f"ep/{event.end_point_eui}/warning", {
        "action": "inactivity_warning",
        "sensor_eui": event.end_point_eui,
        "inactive_hours": event.inactive_hours,
        "hours_until_detach": event.hours_until_detach,
        "warning_threshold_hours": event.warning_threshold_hours,
        "detach_threshold_hours": event.detach_threshold_hours,
        "timestamp": event.at,
    }


def problem(event: SensorProblem) -> Payload:
    """``ep/{EUI}/error``"""
    payload: dict[str, Any] = {"action": event.action, "message": event.message, "timestamp": event.at}
    if event.base_station_eui is not None:
        payload["base_station_eui"] = event.base_station_eui
    return f"ep/{event.end_point_eui}/error", payload


def response(event: CommandResponse) -> Payload:
    """``ep/{EUI}/response``: the result's fields stand beside the answer's"""
    payload: dict[str, Any] = event.result | {
        "command": event.command,
        "status": event.status,
        "sensor_eui": event.end_point_eui,
        "timestamp": event.at,
    }
    if event.ref is not None:
        payload["ref"] = event.ref
    if event.error is not None:
        payload["error"] = {"code": event.error.code, "message": event.error.message}
        if event.error.field is not None:
            payload["error"]["field"] = event.error.field
    return f"ep/{event.end_point_eui}/response", payload


def downlink_status(event: DownlinkStatus) -> Payload:
    """``ep/{EUI}/dl/status``"""
    payload: dict[str, Any] = {
        "queId": event.queue_id,
        "status": event.status,
        "bs_eui": event.base_station_eui,
        "timestamp": event.at,
    }
    known = {
        "ref": event.ref,
        "txTime": event.tx_time,
        "cnt": event.packet_counter,
        "message": event.message,
    }
    payload |= {name: value for name, value in known.items() if value is not None}
    return f"ep/{event.end_point_eui}/dl/status", payload


def downlink_reception(event: DownlinkReception) -> Payload:
    """``ep/{EUI}/dl/reception``: how well the sensor received a downlink"""
    payload: dict[str, Any] = {
        "bs_eui": event.base_station_eui,
        "cnt": event.packet_counter,
        "snr": event.snr,
        "rssi": event.rssi,
        "timestamp": event.at,
    }
    if event.queue_id is not None:
        payload["queId"] = event.queue_id
    return f"ep/{event.end_point_eui}/dl/reception", payload
