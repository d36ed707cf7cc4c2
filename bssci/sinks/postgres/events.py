"""Rows of the tables for any event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from bssci.center.decoding.payloads import device_of
from bssci.center.devices.device import Device
from bssci.model import (
    EUI,
    Event,
    GatewayState,
    Sensor,
    StationState,
    StationStatus,
    Telegram,
    Uplink,
    VariableMacUplink,
)
from bssci.model.device_id import sensor_device
from bssci.model.event_json import event_json
from bssci.model.events import decoded_of, sensor_of, station_of
from bssci.model.storable_text import storable
from bssci.sinks.postgres.rows import Aside, EventRow, EventRows, GatewayFacts
from bssci.sinks.postgres.telegrams import enter, telegram_rows, uplink_rows, variable_mac_rows
from bssci.sinks.postgres.texts import quoted, to_safe_json
from bssci.sinks.postgres.times import instant

_ID_SIZE = 12
"""bytes of an id that is derived from an event's content"""
_NOTHING_ENTERED: Mapping[str, Device] = {}
_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode


def rows_of(
    batch: Iterable[Any],
    sensors: Mapping[EUI, Sensor],
    now: datetime,
    devices: Mapping[str, Device] = _NOTHING_ENTERED,
) -> tuple[list[EventRows], list[tuple[Any, Aside]]]:
    """Return the rows of a batch, and what is known not to be storable before the server is asked.

    :param sensors: configured sensors, by EUI.
    :param now: time of rows that are set aside because no table can hold their own time.
    :param devices: other devices that people entered, by id.
    """
    taken: list[EventRows] = []
    asides: list[tuple[Any, Aside]] = []
    for event in batch:
        if not isinstance(event, Event):
            continue
        try:
            rows = _rows(event, sensors)
            for facts in rows.devices:
                if facts.id in devices:
                    enter(facts, devices[facts.id], rows.texts)
        except (ValueError, TypeError, OverflowError, AttributeError, IndexError, RecursionError) as error:
            aside = Aside(now, event_id(event), _line(error), to_safe_json(event))
            asides.append((event, aside))
            continue
        taken.append(rows)
        asides += [(event, aside) for aside in rows.asides]
    return taken, asides


def senders(events: Iterable[Event]) -> set[str]:
    """Return the ids of the devices other than sensors that events, or readings in them, are from."""
    found: set[str] = set()
    for event in events:
        if isinstance(event, Telegram):
            found.add(event.device)
        elif isinstance(event, VariableMacUplink):
            found.add(device_of(event))
        decoded = decoded_of(event)
        if decoded is not None:
            found.update(reading.device for reading in decoded.readings if reading.device is not None)
    return found


def event_id(event: Event) -> str:
    """Return the event's own id, or one derived from its content; it is the same at every delivery."""
    own = getattr(event, "id", None)
    if isinstance(own, str) and own:
        return storable(own)
    try:
        content = _encode(event)
    except (ValueError, TypeError, OverflowError, RecursionError):
        content = ascii(event).encode()
    return blake2b(content, digest_size=_ID_SIZE).hexdigest()


def _rows(event: Event, sensors: Mapping[EUI, Sensor]) -> EventRows:
    rows = EventRows(event, _id(event), instant(event.at))
    if isinstance(event, Uplink):
        uplink_rows(event, sensors.get(event.end_point_eui), rows)
    elif isinstance(event, VariableMacUplink):
        variable_mac_rows(event, rows)
    elif isinstance(event, Telegram):
        telegram_rows(event, rows)
    else:
        _happening(event, rows)
    return rows


def _id(event: Event) -> str:
    if isinstance(event, VariableMacUplink):
        # Without readings: another decoder finds other readings in the same telegram.
        return f"vm-{event_id(msgspec.structs.replace(event, decoded=None))}"
    return event_id(event)


def _happening(event: Event, rows: EventRows) -> None:
    eui = sensor_of(event)
    body = event_json(event)
    kind = body.pop("kind")
    for name in ("timestamp", "sensor_eui", "base_station_eui"):
        body.pop(name, None)
    gateway = event.gateway if isinstance(event, GatewayState) else station_of(event)
    device = sensor_device(eui) if eui else None
    rows.events.append(EventRow(rows.at, kind, device, gateway, rows.texts.json(body), rows.id))
    if isinstance(event, GatewayState):
        facts = GatewayFacts(event.gateway, event.gateway_kind, rows.at)
        facts.name = rows.texts.text(event.name) or None
        facts.state = event.state
        rows.gateways.append(facts)
    elif isinstance(event, StationState):
        facts = GatewayFacts(event.base_station_eui, "station", rows.at)
        facts.name = None if event.name is None else rows.texts.text(event.name)
        facts.state = event.state
        rows.gateways.append(facts)
    elif isinstance(event, StationStatus):
        facts = GatewayFacts(event.base_station_eui, "station", rows.at)
        facts.status = rows.texts.json(body)
        if event.geo_location:
            names = ("lat", "lon", "altitude")
            facts.location = rows.texts.json(dict(zip(names, event.geo_location, strict=False)))
        rows.gateways.append(facts)


def _line(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {quoted(text)}"
