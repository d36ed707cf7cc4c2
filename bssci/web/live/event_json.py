"""An event as a JSON object, for the API, the live stream and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bssci.model import EUI, AnyEvent, Downlink, Reception, Uplink, VariableMacUplink
from bssci.model.event_json import FIELD_NAMES, event_json, kind_of, reception_json, uplink_json
from bssci.web.live.names import NameOf, nameless
from bssci.web.live.sentences import sentence


def event_dict(seq: int, event: AnyEvent, name_of: NameOf = nameless) -> dict[str, Any]:
    """Return an event as pages and API have it.

    ``seq``, ``kind``, ``timestamp``, what the event says, ``title``: that in a sentence; and ``names``
    of the base stations and the sensor in it, by EUI, as far as they have one.
    """
    described = {"seq": seq} | _said(event) | {"kind": kind_of(event), "timestamp": event.at}
    described["title"] = sentence(described)
    sensor, stations = parties(event)
    described["names"] = {eui: name for eui in (sensor, *stations) if eui and (name := name_of(eui))}
    return described


def parties(event: AnyEvent) -> tuple[EUI | None, Sequence[EUI | None]]:
    """Return the sensor and the base stations that an event is about."""
    if isinstance(event, Uplink):
        return event.end_point_eui, [each.base_station_eui for each in event.receptions]
    return getattr(event, "end_point_eui", None), [getattr(event, "base_station_eui", None)]


def uplink_dict(event: Uplink) -> dict[str, Any]:
    """Return an uplink with the receptions it was merged from, best first: as MQTT has it, and more."""
    best = event.receptions[0]
    return uplink_json(event) | {
        "base_station_eui": best.base_station_eui,
        "size": len(best.payload),
        "mode": best.mode,
        "profile": best.profile,
        "baseStations": [reception_dict(each) for each in event.receptions],
    }


def reception_dict(reception: Reception) -> dict[str, Any]:
    """Return what one base station heard, and when it was received here."""
    more = {"eqSnr": reception.equivalent_snr, "received_at": reception.received_at}
    return reception_json(reception) | more


def downlink_dict(downlink: Downlink) -> dict[str, Any]:
    """Return a downlink, and what became of it."""
    request = downlink.request
    return {
        "queId": downlink.queue_id,
        "state": downlink.state,
        "data": [list(data) for data in request.data],
        "dataHex": [data.hex() for data in request.data],
        "cnt": list(request.packet_counters) if request.packet_counters is not None else None,
        "format": request.format,
        "prio": request.priority,
        "responseExp": request.response_expected,
        "ref": request.ref,
        "created_at": downlink.created_at,
        "changed_at": downlink.changed_at,
        "expires_at": downlink.expires_at,
        "bs_eui": downlink.base_station_eui,
        "txTime": downlink.tx_time,
        "answered_cnt": downlink.packet_counter,
        "snr": downlink.end_point_snr,
        "rssi": downlink.end_point_rssi,
        "message": downlink.message,
    }


def _said(event: AnyEvent) -> dict[str, Any]:
    if isinstance(event, Uplink):
        return uplink_dict(event)
    if isinstance(event, VariableMacUplink):
        # Fields have their own names here, not those of the topic of a base station.
        fields = msgspec.structs.asdict(event) | {"payload": event.payload.hex()}
        plain = {FIELD_NAMES.get(name, name): value for name, value in fields.items() if name != "at"}
        return event_json(event) | plain
    return event_json(event)
