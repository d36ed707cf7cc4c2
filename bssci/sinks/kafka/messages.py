"""Events as messages on Kafka: the raw topic holds what was sent, the decoded topic one message for each
reading.

The names are those of existing pipelines: ``original_topic``, ``device_id``, ``payload``, ``timestamp``,
and ``connector_mode``, ``component_type``, ``pin_position``, ``value``, ``unit``, ``topic``, ``raw_data``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bssci.center.decoding.payloads import device_of
from bssci.kafka.producing import ProducerMessage
from bssci.model import AlarmChange, AnyEvent, GatewayState, StationState, Telegram, Uplink, VariableMacUplink
from bssci.model.device_id import sensor_device
from bssci.model.event_json import event_json, kind_of
from bssci.model.events import decoded_of, sensor_of, station_of
from bssci.model.iso_times import iso_seconds, iso_time
from bssci.mqtt.payloads import message as mqtt_message
from bssci.mqtt.payloads import station_state, uplink_topic

_encode = msgspec.json.Encoder().encode
CONTROLLER = "f2:"
"""beginning of the ids of devices at a controller"""
_PIN = re.compile(r"[0-9]{1,9}")


def raw_message(event: AnyEvent, topic: str, base_topic: str) -> ProducerMessage:
    """Return the message of an event for the raw topic.

    :param base_topic: first part of the MQTT topic that an event has if it did not come by MQTT.
    """
    said = event_json(event)
    kind = kind_of(event)
    id = str(said.get("id", ""))
    body: dict[str, Any] = {
        "original_topic": _topic(event, base_topic),
        "device_id": _sender(event),
        "payload": said,
        "timestamp": _time(event),
        "received_at": iso_seconds(event.at),
        "kind": kind,
    }
    if isinstance(event, Telegram):
        body |= _as_it_came(event)
    return ProducerMessage(topic, _sender(event).encode(), _encode(body), _headers(id, kind))


def decoded_messages(event: AnyEvent, topic: str) -> Iterator[ProducerMessage]:
    """Yield a message for each reading of an event; its key is the device and the name of the reading."""
    decoded = decoded_of(event)
    if decoded is None or decoded.failure is not None:
        return
    assert isinstance(event, Uplink | Telegram | VariableMacUplink)
    # Computed once for all readings of the event.
    id, time, place, data = _id(event), _time(event), _place(event), _bytes(event).hex()
    own, sender, headers = device_of(event), _sender(event), _headers(id, "reading")
    for reading in decoded.readings:
        name, device = reading.name, reading.device or own
        body = {
            "timestamp": time,
            "device_id": reading.device or sender,
            "device": device,
            **place,
            "component_type": place["component_type"] or name,
            "name": name,
            "value": reading.value,
            "unit": reading.unit,
            "raw_data": data,
            "decoder": decoded.decoder,
            "id": id,
        }
        yield ProducerMessage(topic, f"{device}:{name}".encode(), _encode(body), headers)


def _topic(event: AnyEvent, base_topic: str) -> str:
    if isinstance(event, Uplink):  # the most frequent kind: its topic is known without building its payload
        return f"{base_topic}/{uplink_topic(event.end_point_eui)}"
    if isinstance(event, StationState):
        return station_state(base_topic, event).topic
    published = mqtt_message(base_topic, event)
    return published.topic if published is not None else ""


def _sender(event: AnyEvent) -> str:
    if isinstance(event, Telegram) and event.device.startswith(CONTROLLER):
        return event.gateway
    if isinstance(event, Uplink | Telegram | VariableMacUplink):
        return device_of(event)
    if isinstance(event, GatewayState):
        is_controller = event.gateway_kind == "controller"
        return event.gateway if is_controller else f"{event.gateway_kind}:{event.gateway}"
    if isinstance(event, AlarmChange):
        return f"alarm:{event.id}"
    sensor, station = sensor_of(event), station_of(event)
    return sensor_device(sensor) if sensor else f"station:{station}" if station else kind_of(event)


def _id(event: AnyEvent) -> str:
    return event.id if isinstance(event, Uplink | Telegram) else ""


def _bytes(event: Uplink | Telegram | VariableMacUplink) -> bytes:
    return event.best.payload if isinstance(event, Uplink) else event.payload


def _time(event: AnyEvent) -> str:
    """Return when the event was sent or heard, if that is known, else when it arrived here."""
    if isinstance(event, Uplink):
        return iso_time(event.best.rx_time)
    clocks = [event.device_time, event.gateway_time] if isinstance(event, Telegram) else []
    # A clock may be so wrong that its year cannot be written.
    return next((text for at in clocks if at and (text := iso_seconds(at))), "") or iso_seconds(event.at)


def _as_it_came(event: Telegram) -> dict[str, Any]:
    """Return the message as the source received it, and the other fields of the telegram."""
    envelope = dict(event.envelope)
    topic = _text(envelope, "topic")
    said: dict[str, Any] = {
        "id": event.id,
        "device": event.device,
        "gateway": event.gateway,
        "source": event.source,
        "data": event.payload.hex(),
        "envelope": envelope,
        "payload": envelope.get("payload", envelope) if topic else envelope,
    }
    if topic:
        said["original_topic"] = topic
    for name in ("device_time", "gateway_time", "rssi"):
        if getattr(event, name) is not None:
            said[name] = getattr(event, name)
    return said


def _place(event: AnyEvent) -> dict[str, Any]:
    """Return the sender's place at its controller, and the topic; nulls for what there is not.

    Of other senders, members of these names are their own, and may be anything.
    """
    envelope: Mapping[str, Any] = event.envelope if isinstance(event, Telegram) else {}
    is_at_controller = isinstance(event, Telegram) and event.device.startswith(CONTROLLER)
    component = (_text(envelope, "component") or "") if is_at_controller else ""
    kind, _, number = component.rpartition("-")
    is_numbered = bool(kind) and _PIN.fullmatch(number) is not None
    return {
        "connector_mode": _text(envelope, "mode") if is_at_controller else None,
        "component_type": (kind if is_numbered else component) or None,
        "pin_position": int(number) if is_numbered else None,
        "topic": _text(envelope, "topic"),
    }


def _text(envelope: Mapping[str, Any], name: str) -> str | None:
    value = envelope.get(name)
    return value if isinstance(value, str) else None


def _headers(id: str, kind: str) -> list[tuple[str, bytes]]:
    return [("id", id.encode()), ("kind", kind.encode())]
