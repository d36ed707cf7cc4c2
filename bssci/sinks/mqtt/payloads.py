"""Topics and payloads of what is published on MQTT: one function an event, names as integrators know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bssci.model import (
    EUI,
    AnyEvent,
    CommandResponse,
    DownlinkReception,
    DownlinkStatus,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
    StationState,
    StationStatus,
    Uplink,
    VariableMacUplink,
)
from bssci.model.event_json import uplink_json
from bssci.mqtt.values import Message
from bssci.sinks.mqtt import sensor_payloads
from bssci.sinks.mqtt.variable_mac import variable_mac_uplink

_encode = msgspec.json.Encoder().encode


def message(base_topic: str, event: AnyEvent) -> Message | None:
    """Topic and JSON payload of an event; None for a kind that has no topic of its own."""
    build = _BUILDERS.get(type(event))
    if build is None:
        return None
    topic, payload = build(event)
    return Message(f"{base_topic}/{topic}", _encode(payload))


def uplink(event: Uplink) -> tuple[str, dict[str, Any]]:
    """``ep/{EUI}/ul``"""
    return f"ep/{event.end_point_eui}/ul", uplink_json(event)


def station_status(event: StationStatus) -> tuple[str, dict[str, Any]]:
    """``bs/{EUI}``: as reported, without what the station did not send"""
    reported = {
        "code": event.code,
        "memLoad": event.memory_load,
        "cpuLoad": event.cpu_load,
        "dutyCycle": event.duty_cycle,
        "time": event.time,
        "uptime": event.uptime,
        "temp": event.temperature,
        "message": event.message,
        "geoLocation": event.geo_location,
    }
    payload = {name: value for name, value in reported.items() if value is not None}
    return f"bs/{event.base_station_eui}", payload | {"timestamp": event.at}


def station_state(base_topic: str, event: StationState) -> Message:
    """``bs/{EUI}/state``, retained"""
    payload: dict[str, Any] = {
        "state": event.state,
        "since": event.at,
        "resumed": event.resumed,
        "vendor": event.vendor,
        "model": event.model,
        "name": event.name,
        "swVersion": event.software_version,
    }
    if event.attached is not None:
        payload["attached"] = event.attached
    return Message(f"{base_topic}/bs/{event.base_station_eui}/state", _encode(payload), retain=True)


def service_status(base_topic: str, state: str, version: str, since: float) -> Message:
    """``service/status``, retained: birth, last will and farewell"""
    payload = {"state": state, "version": version, "since": since}
    return Message(f"{base_topic}/service/status", _encode(payload), retain=True)


def health_check(base_topic: str, health: dict[str, Any]) -> Message:
    """``health_check``"""
    return Message(f"{base_topic}/health_check", _encode(health))


def settings_answer(base_topic: str, answer: dict[str, Any]) -> Message:
    """``config/response``"""
    return Message(f"{base_topic}/config/response", _encode(answer))


def variable_mac_answer(base_topic: str, eui: EUI, answer: dict[str, Any]) -> Message:
    """``bs/{EUI}/vm/response``"""
    return Message(f"{base_topic}/bs/{eui}/vm/response", _encode(answer))


_BUILDERS: dict[type, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    Uplink: uplink,
    StationStatus: station_status,
    VariableMacUplink: variable_mac_uplink,
    SensorStatus: sensor_payloads.sensor_status,
    SensorAutoDetached: sensor_payloads.auto_detached,
    SensorWarning: sensor_payloads.warning,
    SensorProblem: sensor_payloads.problem,
    CommandResponse: sensor_payloads.response,
    DownlinkStatus: sensor_payloads.downlink_status,
    DownlinkReception: sensor_payloads.downlink_reception,
}
