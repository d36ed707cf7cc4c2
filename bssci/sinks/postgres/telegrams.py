"""Uplinks and telegrams as rows: raw archive, readings, senders and receivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from bssci.center.decoding.payloads import device_of
from bssci.center.devices.device import Device
from bssci.center.devices.gateways import kind_of_gateway
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
from bssci.sinks.postgres.texts import StorableTexts, TextError, check_id, quoted, to_safe_json
from bssci.sinks.postgres.times import believable_time

T = TypeVar("T", Uplink, VariableMacUplink, Telegram)
OWN_SOURCE = "bssci"
"""``raw.source`` of what base stations received"""
EXACT = 1 << 53
"""largest integer up to which all are exact as double precision"""


def uplink_rows(event: Uplink, sensor: Sensor | None, rows: EventRows) -> None:
    """Add the rows of an uplink.

    :param sensor: configuration of the sender; None if it is not configured.
    """
    best = event.receptions[0]
    device = sensor_device(best.end_point_eui)
    facts = DeviceFacts(device, MIOTY, rows.at)
    if sensor is not None:
        facts.name = rows.texts.text(sensor.name) or None
        facts.model = sensor.type_eui
        facts.tags = _fact_json(sensor.tags or None, rows.texts)
        facts.location = _fact_json(sensor.location, rows.texts)
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
    check_id(event.device)
    check_id(event.gateway)
    kind = event.device.partition(":")[0]
    facts = DeviceFacts(event.device, kind, rows.at, name=_device_name(event.envelope, rows.texts))
    facts.parent, facts.port = _place(event.device)
    rows.devices.append(facts)
    gateway = GatewayFacts(event.gateway, kind_of_gateway(event.device), rows.at)
    if _own_report(event):
        gateway.state = rows.texts.text(event.envelope["status"])
        gateway.status = _fact_json(event.envelope, rows.texts)
    rows.gateways.append(gateway)
    time = believable_time(event.at, [event.device_time, event.gateway_time])
    _add_readings(rows, event.decoded, time, event.gateway, _topic(event.envelope, rows.texts))
    _add_raw(rows, event.gateway, rows.texts.text(event.source), telegram_json, event)


def enter(facts: DeviceFacts, device: Device, texts: StorableTexts) -> None:
    """Let what people entered about a device stand in place of what it reports."""
    facts.name = texts.text(device.name) or facts.name
    facts.model = texts.text(device.model) or facts.model
    facts.tags = _fact_json(device.tags or None, texts)
    facts.location = _fact_json(device.location or None, texts)


def _add_raw(
    rows: EventRows, gateway: str, source: str, build: Callable[[T], dict[str, Any]], event: T
) -> None:
    try:
        text = rows.texts.json(build(event))
    except (TextError, TypeError) as error:
        # A decoder's result that cannot be stored must not lose what was received.
        bare = msgspec.structs.replace(event, decoded=None)
        try:
            text = rows.texts.json(build(bare))
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
    sender.decoder = decoder = rows.texts.text(decoded.decoder)
    rows.decoded.append(DecodedMark(time, rows.id))
    others: set[str] = set()
    for reading in decoded.readings:
        try:
            row = _reading(reading, sender.id, time, rows, gateway, decoder, topic)
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
                DeviceFacts(row.device, kind, rows.at, decoder=decoder, parent=parent, port=port)
            )


def _reading(
    reading: Reading,
    sender: str,
    time: datetime,
    rows: EventRows,
    gateway: str,
    decoder: str,
    topic: str | None,
) -> ReadingRow:
    given = reading.value
    value: float | None
    text: str | None = None
    if isinstance(given, str):
        value, text = None, rows.texts.text(given)
    elif isinstance(given, bool):
        value, text = float(given), "true" if given else "false"
    else:
        value = float(given)
        if isinstance(given, int) and not -EXACT <= given <= EXACT:
            text = str(given)
    device = reading.device or sender
    check_id(device)
    name, unit = rows.texts.text(reading.name), reading.unit and rows.texts.text(reading.unit)
    return ReadingRow(time, device, name, value, text, unit, rows.id, gateway, decoder, topic)


def _place(device: str) -> tuple[str | None, str | None]:
    """Return parent and port of a device at a controller: ``f2:{mac}/J1/3`` is at ``J1/3`` of
    ``f2:{mac}``."""
    parent, _, port = device.partition("/")
    return (parent, port) if port else (None, None)


def _device_name(envelope: Mapping[str, Any], texts: StorableTexts) -> str | None:
    device = envelope.get("device")
    name = device.get("name") if isinstance(device, Mapping) else envelope.get("name")
    return texts.text(name) or None if isinstance(name, str) else None


def _topic(envelope: Mapping[str, Any], texts: StorableTexts) -> str | None:
    topic = envelope.get("topic", envelope.get("original_topic"))
    return texts.text(topic) if isinstance(topic, str) else None


def _own_report(event: Telegram) -> bool:
    """Return whether the event is a gateway's report about itself."""
    itself = f"{kind_of_gateway(event.device)}:{event.gateway}"
    return event.device == itself and isinstance(event.envelope.get("status"), str)


def _fact_json(value: Any, texts: StorableTexts) -> str | None:
    """Return the JSON of a fact; None if there is none, or if it cannot be stored."""
    if value is None:
        return None
    try:
        return texts.json(value)
    except (TextError, TypeError):
        return None
