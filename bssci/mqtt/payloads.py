"""Topics and payloads of what is published on MQTT: one function for each kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bssci.decoders.wireless_mbus import link_address
from bssci.model import (
    EUI,
    AlarmChange,
    AnyEvent,
    CommandResponse,
    DownlinkReception,
    DownlinkStatus,
    GatewayState,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
    StationState,
    StationStatus,
    Telegram,
    Uplink,
    VariableMacUplink,
)
from bssci.model.event_json import common_words, telegram_json, uplink_json, variable_mac_json
from bssci.model.iso_times import iso_seconds
from bssci.mqtt.values import About, Publication, ReplyTo

TopicPayload = tuple[str, dict[str, Any]]
"""Topic below BASE_TOPIC, and the members of the JSON object."""

HEALTH_INTERVAL = 60.0
"""s from one health message to the next"""
_encode = msgspec.json.Encoder().encode


def message(base_topic: str, event: AnyEvent, replayed: bool = False) -> Publication | None:
    """Return topic and JSON payload of an event; None for a kind that has no topic of its own.

    :param replayed: this is a delivery of a replay, and the payload says so.
    """
    if isinstance(event, GatewayState):
        # A state of the past must not replace the retained one.
        return None if replayed else gateway_state(base_topic, event)
    build = _BUILDERS.get(type(event))
    if build is None:
        return None
    topic, payload = build(event)
    if type(event) not in _WHOLE:
        payload = payload | {
            name: value for name, value in common_words(event).items() if name not in payload
        }
    if replayed:
        payload["replayed"] = True
    # A replayed alarm need not be open any more, so it is not retained.
    is_open = isinstance(event, AlarmChange) and event.state == "open" and not replayed
    return Publication(f"{base_topic}/{topic}", _encode(payload), is_open, _about(event))


def ends_retained(event: AnyEvent) -> bool:
    """Return whether the event ends what is retained on its topic, as the end of an alarm does."""
    return isinstance(event, AlarmChange) and event.state == "closed"


def alarm(event: AlarmChange) -> TopicPayload:
    """Return the payload of ``alarm/{id}``, which is retained while it is open."""
    fields = msgspec.structs.asdict(event)
    del fields["href"]  # a path of the web admin, which means nothing on MQTT
    said = {name: value for name, value in fields.items() if value is not None}
    return f"alarm/{event.id}", {"timestamp": said.pop("at")} | said


def _about(event: AnyEvent) -> About:
    if type(event) is Uplink:
        return About("uplink", event.id)
    if type(event) is Telegram:
        return About("telegram", event.id)
    if type(event) is CommandResponse:
        return About("response", "", event.correlation)
    return About(_SCHEMAS[type(event)])


def uplink_topic(end_point_eui: str) -> str:
    """Return the topic of a sensor's uplinks below BASE_TOPIC."""
    return f"ep/{end_point_eui}/ul"


def uplink(event: Uplink) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/ul``."""
    return uplink_topic(event.end_point_eui), uplink_json(event)


def station_status(event: StationStatus) -> TopicPayload:
    """Return the payload of ``bs/{EUI}``: as reported, without what the station did not send"""
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


def station_state(base_topic: str, event: StationState, sc_eui: EUI | None = None) -> Publication:
    """Return the payload of ``bs/{EUI}/state``, retained.

    :param sc_eui: the service center that publishes it; None: the payload does not say that.
    """
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
    if sc_eui is not None:
        payload["sc_eui"] = sc_eui
    payload |= common_words(event)
    return Publication(
        f"{base_topic}/bs/{event.base_station_eui}/state", _encode(payload), True, About("station-state")
    )


def gateway_state(base_topic: str, event: GatewayState, sc_eui: EUI | None = None) -> Publication:
    """Return the state of a gateway, retained on ``gateway/{kind}/{id}/state``.

    :param sc_eui: as in :func:`station_state`.
    """
    payload: dict[str, Any] = {
        "state": event.state,
        "since": event.at,
        "reason": event.reason,
        "name": event.name or None,
        "gateway": event.gateway,
        "gateway_kind": event.gateway_kind,
        **common_words(event),
    }
    if sc_eui is not None:
        payload["sc_eui"] = sc_eui
    topic = f"{base_topic}/gateway/{event.gateway_kind}/{event.gateway}/state"
    return Publication(topic, _encode(payload), True, About("gateway-state"))


def service_status(base_topic: str, state: str, version: str, since: float) -> Publication:
    """Return the payload of ``service/status``, retained: birth, last will and farewell"""
    payload = {"state": state, "version": version, "since": since}
    return Publication(f"{base_topic}/service/status", _encode(payload), True, About("service-status"))


def health_check(base_topic: str, health: dict[str, Any]) -> Publication:
    """Return the payload of ``health_check``."""
    return Publication(f"{base_topic}/health_check", _encode(_timed(health)), False, About("health-check"))


def settings_answer(
    base_topic: str, answer: dict[str, Any], reply: ReplyTo | None = None
) -> list[Publication]:
    """Return the answer on ``config/response``, and on the topic that the request asks for."""
    about = About("settings-response", "", reply.correlation if reply else b"")
    return _everywhere(
        Publication(f"{base_topic}/config/response", _encode(_timed(answer)), False, about), reply
    )


def variable_mac_answer(
    base_topic: str, eui: EUI, answer: dict[str, Any], reply: ReplyTo | None = None
) -> list[Publication]:
    """Return the answer on ``bs/{EUI}/vm/response``, and on the topic that the request asks for."""
    about = About("variable-mac-response", "", reply.correlation if reply else b"")
    answer = _timed(answer)
    return _everywhere(
        Publication(f"{base_topic}/bs/{eui}/vm/response", _encode(answer), False, about), reply
    )


def _timed(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"time": iso_seconds(payload["timestamp"])}


def reply(event: AnyEvent, message: Publication) -> Publication | None:
    """Return the answer to a request for the topic that the request asks for; None: it asks for none.

    A requester takes the first message on that topic for the answer, so ``received`` is not sent there.
    """
    if type(event) is not CommandResponse or not event.reply_to or event.status == "received":
        return None
    return message._replace(topic=event.reply_to)


def _everywhere(message: Publication, reply: ReplyTo | None) -> list[Publication]:
    return [message, message._replace(topic=reply.topic)] if reply and reply.topic else [message]


def sensor_status(event: SensorStatus) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/status``: attached, detached, attach_failed, detach_failed"""
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


def auto_detached(event: SensorAutoDetached) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/status``: auto_detached"""
    return f"ep/{event.end_point_eui}/status", {
        "action": "auto_detached",
        "sensor_eui": event.end_point_eui,
        "reason": "inactivity",
        "inactive_hours": event.inactive_hours,
        "threshold_hours": event.threshold_hours,
        "timestamp": event.at,
    }


def warning(event: SensorWarning) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/warning``."""
    return f"ep/{event.end_point_eui}/warning", {
        "action": "inactivity_warning",
        "sensor_eui": event.end_point_eui,
        "inactive_hours": event.inactive_hours,
        "hours_until_detach": event.hours_until_detach,
        "warning_threshold_hours": event.warning_threshold_hours,
        "detach_threshold_hours": event.detach_threshold_hours,
        "timestamp": event.at,
    }


def problem(event: SensorProblem) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/error``."""
    payload: dict[str, Any] = {"action": event.action, "message": event.message, "timestamp": event.at}
    if event.base_station_eui is not None:
        payload["base_station_eui"] = event.base_station_eui
    return f"ep/{event.end_point_eui}/error", payload


def response(event: CommandResponse) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/response``: the result's fields stand beside the answer's"""
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


def downlink_status(event: DownlinkStatus) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/dl/status``."""
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


def downlink_reception(event: DownlinkReception) -> TopicPayload:
    """Return the payload of ``ep/{EUI}/dl/reception``: how well the sensor received a downlink"""
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


def variable_mac_uplink(event: VariableMacUplink) -> TopicPayload:
    """Return the payload of ``bs/{EUI}/vm/ul``: as reported; ``wmbus`` names the sender of a wireless M-Bus
    frame.
    """
    payload = variable_mac_json(event) | {"timestamp": event.at}
    sender = link_address(event.payload)
    if sender is not None:
        payload["wmbus"] = {
            "manufacturer": sender.manufacturer,
            "id": sender.identification,
            "version": sender.version,
            "deviceType": sender.device_type,
        }
    return f"bs/{event.base_station_eui}/vm/ul", payload


def telegram(event: Telegram) -> TopicPayload:
    """Return the payload of ``device/{id}/ul``: a slash in the id begins a level of the topic."""
    return f"device/{event.device}/ul", telegram_json(event)


_SCHEMAS: dict[type, str] = {
    AlarmChange: "alarm",
    StationStatus: "station-status",
    VariableMacUplink: "variable-mac-uplink",
    SensorStatus: "sensor-status",
    SensorAutoDetached: "sensor-status",
    SensorWarning: "sensor-warning",
    SensorProblem: "sensor-error",
    DownlinkStatus: "downlink-status",
    DownlinkReception: "downlink-reception",
}
"""names of the payloads' schemas"""
_WHOLE = (Uplink, Telegram)
"""kinds whose builders set the common fields themselves"""
_BUILDERS: dict[type, Callable[[Any], TopicPayload]] = {
    AlarmChange: alarm,
    Uplink: uplink,
    Telegram: telegram,
    StationStatus: station_status,
    VariableMacUplink: variable_mac_uplink,
    SensorStatus: sensor_status,
    SensorAutoDetached: auto_detached,
    SensorWarning: warning,
    SensorProblem: problem,
    CommandResponse: response,
    DownlinkStatus: downlink_status,
    DownlinkReception: downlink_reception,
}
