"""Uplinks and telegrams as rows: raw archive, readings, senders and receivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from bssci.center.decoding.payloads import device_of
from bssci.center.devices.device import Device
from bssci.model import Decoded, Reading, Sensor, Telegram, Uplink, VariableMacUplink
from bssci.model.device_id import MIOTY, sensor_device
from bssci.model.event_json import telegram_json, uplink_json, variable_mac_json
from bssci.sinks.postgres.rows import (
    Aside,
    DecodedMark,
    DeviceFacts,
    EventRows,
    GatewayFacts,
    RawRow,
    ReadingRow,
)
from bssci.sinks.postgres.texts import TextError, find_unstorable, quoted, storable, to_json, to_safe_json
from bssci.sinks.postgres.times import believable_time

T = TypeVar("T", Uplink, VariableMacUplink, Telegram)
OWN_SOURCE = "bssci"
"""``raw.source`` of what base stations received"""
EXACT = 1 << 53
"""largest integer up to which all are exact as double precision"""
GATEWAY_KINDS = {"ble": "scanner", "f2": "controller"}
"""kind of gateway by kind of device"""


def uplink_rows(event: Uplink, sensor: Sensor | None, rows: EventRows) -> None:
    """Add the rows of an uplink.

    :param sensor: configuration of the sender; None if it is not configured.
    """
    best = event.receptions[0]
    device = sensor_device(best.end_point_eui)
    facts = DeviceFacts(device, MIOTY, rows.at)
    if sensor is not None:
        facts.name = storable(sensor.name) or None
        facts.model = sensor.type_eui
        facts.tags = _fact_json(sensor.tags or None)
        facts.location = _fact_json(sensor.location)
    rows.devices.append(facts)
    rows.stations = [reception.base_station_eui for reception in event.receptions]
    time = believable_time(event.at, [best.rx_time / 1e9])
    _add_readings(rows, event.decoded, time, best.base_station_eui, None)
    _add_raw(rows, best.base_station_eui, OWN_SOURCE, uplink_json, event)


def variable_mac_rows(event: VariableMacUplink, rows: EventRows) -> None:
    device = device_of(event)
    rows.devices.append(DeviceFacts(device, device.partition(":")[0], rows.at))
    rows.gateways.append(GatewayFacts(event.base_station_eui, "station", rows.at))
    time = believable_time(event.at, [event.system_time / 1e9])
    _add_readings(rows, event.decoded, time, event.base_station_eui, None)
    _add_raw(rows, event.base_station_eui, OWN_SOURCE, variable_mac_json, event)


def telegram_rows(event: Telegram, rows: EventRows) -> None:
    find_unstorable(event.device, event.gateway, event.source)
    kind = event.device.partition(":")[0]
    facts = DeviceFacts(event.device, kind, rows.at, name=_device_name(event.envelope))
    facts.parent, facts.port = _place(event.device)
    rows.devices.append(facts)
    gateway = GatewayFacts(event.gateway, GATEWAY_KINDS.get(kind, event.source), rows.at)
    if _own_report(event):
        gateway.kind = kind
        gateway.state = storable(str(event.envelope["status"]))
        gateway.status = _fact_json(event.envelope)
    rows.gateways.append(gateway)
    time = believable_time(event.at, [event.device_time, event.gateway_time])
    _add_readings(rows, event.decoded, time, event.gateway, _topic(event.envelope))
    _add_raw(rows, event.gateway, event.source, telegram_json, event)


def enter(facts: DeviceFacts, device: Device) -> None:
    """Let what people entered about a device stand in place of what it reports."""
    facts.name = storable(device.name) or facts.name
    facts.model = storable(device.model) or facts.model
    facts.tags = _fact_json(device.tags or None)
    facts.location = _fact_json(device.location or None)


def _add_raw(
    rows: EventRows, gateway: str, source: str, build: Callable[[T], dict[str, Any]], event: T
) -> None:
    try:
        text = to_json(build(event))
    except (TextError, TypeError) as error:
        # A decoder's result that cannot be stored must not lose what was received.
        bare = msgspec.structs.replace(event, decoded=None)
        try:
            text = to_json(build(bare))
        except (TextError, TypeError):
            rows.asides.append(Aside(rows.at, rows.id, f"raw: {error}", to_safe_json(event)))
            return
    device = rows.devices[0].id
    rows.raw.append(RawRow(rows.at, rows.id, device, gateway, source, text, event.payload))


def _add_readings(
    rows: EventRows, decoded: Decoded | None, time: datetime, gateway: str, topic: str | None
) -> None:
    """Add a decoder's readings; without a decoder, or if it failed, earlier readings stay."""
    if decoded is None or decoded.failure is not None:
        return
    sender = rows.devices[0]
    sender.decoder = storable(decoded.decoder)
    rows.decoded.append(DecodedMark(time, rows.id))
    others: set[str] = set()
    for reading in decoded.readings:
        try:
            row = _reading(reading, sender.id, time, rows.id, gateway, decoded.decoder, topic)
        except (TextError, OverflowError) as error:
            reason = f"reading {quoted(reading.name)}: {error}"
            rows.asides.append(Aside(rows.at, rows.id, reason, to_safe_json(reading)))
            continue
        rows.readings.append(row)
        if reading.device is not None and row.device != sender.id and row.device not in others:
            others.add(row.device)
            parent, port = _place(row.device)
            kind = row.device.partition(":")[0]
            rows.devices.append(
                DeviceFacts(row.device, kind, rows.at, decoder=sender.decoder, parent=parent, port=port)
            )


def _reading(
    reading: Reading, sender: str, time: datetime, id: str, gateway: str, decoder: str, topic: str | None
) -> ReadingRow:
    given = reading.value
    value: float | None
    text: str | None = None
    if isinstance(given, str):
        value, text = None, given
    elif isinstance(given, bool):
        value, text = float(given), "true" if given else "false"
    else:
        value = float(given)
        if isinstance(given, int) and not -EXACT <= given <= EXACT:
            text = str(given)
    device = reading.device or sender
    find_unstorable(reading.name, text, reading.unit, device, decoder)
    return ReadingRow(time, device, reading.name, value, text, reading.unit, id, gateway, decoder, topic)


def _place(device: str) -> tuple[str | None, str | None]:
    """Return parent and port of a device at a controller: ``f2:{mac}/J1/3`` is at ``J1/3`` of
    ``f2:{mac}``."""
    parent, _, port = device.partition("/")
    return (parent, port) if port else (None, None)


def _device_name(envelope: Mapping[str, Any]) -> str | None:
    device = envelope.get("device")
    name = device.get("name") if isinstance(device, Mapping) else envelope.get("name")
    return storable(name) or None if isinstance(name, str) else None


def _topic(envelope: Mapping[str, Any]) -> str | None:
    topic = envelope.get("topic", envelope.get("original_topic"))
    return storable(topic) if isinstance(topic, str) else None


def _own_report(event: Telegram) -> bool:
    """Return whether the event is a gateway's report about itself."""
    return event.device.partition(":")[2] == event.gateway and isinstance(event.envelope.get("status"), str)


def _fact_json(value: Any) -> str | None:
    """Return the JSON of a fact; None if there is none, or if it cannot be stored."""
    if value is None:
        return None
    try:
        return to_json(value)
    except (TextError, TypeError):
        return None
