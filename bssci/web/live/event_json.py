"""An event as a JSON object, for the API, the live stream and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from bssci.model import EUI, AnyEvent, Downlink, Reception, Uplink
from bssci.web.live.names import NameOf, nameless
from bssci.web.live.sentences import sentence

_FIELD_NAMES = {
    "end_point_eui": "sensor_eui",
    "queue_id": "queId",
    "tx_time": "txTime",
    "packet_counter": "cnt",
    "software_version": "swVersion",
    "duty_cycle": "dutyCycle",
    "geo_location": "geoLocation",
    "cpu_load": "cpuLoad",
    "memory_load": "memLoad",
    "temperature": "temp",
}
"""where the names of MQTT payloads are known already"""


def kind_of(event: AnyEvent) -> str:
    return str(type(event).__struct_config__.tag)


def event_dict(seq: int, event: AnyEvent, name_of: NameOf = nameless) -> dict[str, Any]:
    """``seq``, ``kind``, ``timestamp``, what the event says, ``title``: that in a sentence; and ``names``.

    These are of the base stations and the sensor in it, by EUI, as far as they have one.
    """
    said = uplink_dict(event) if isinstance(event, Uplink) else _plain(event)
    described = {"seq": seq, "kind": kind_of(event), "timestamp": event.at} | said
    described["title"] = sentence(described)
    sensor, stations = parties(event)
    described["names"] = {eui: name for eui in (sensor, *stations) if eui and (name := name_of(eui))}
    return described


def parties(event: AnyEvent) -> tuple[EUI | None, Sequence[EUI | None]]:
    """The sensor and the base stations that an event is about."""
    if isinstance(event, Uplink):
        return event.end_point_eui, [each.base_station_eui for each in event.receptions]
    return getattr(event, "end_point_eui", None), [getattr(event, "base_station_eui", None)]


def uplink_dict(event: Uplink) -> dict[str, Any]:
    """An uplink with the receptions it was merged from, best first."""
    best = event.receptions[0]
    return {
        "id": event.id,
        "sensor_eui": best.end_point_eui,
        "base_station_eui": best.base_station_eui,
        "cnt": best.packet_counter,
        "data": best.payload.hex(),
        "size": len(best.payload),
        "rxTime": best.rx_time,
        "time": iso_time(best.rx_time),
        "snr": best.snr,
        "rssi": best.rssi,
        "format": best.format,
        "dlOpen": best.downlink_open,
        "responseExp": best.response_expected,
        "dlAck": best.downlink_acknowledged,
        "mode": best.mode,
        "profile": best.profile,
        "duplicates": event.duplicates,
        "known": event.known,
        "received_at": min(each.received_at for each in event.receptions),
        "baseStations": [reception_dict(each) for each in event.receptions],
    }


def reception_dict(reception: Reception) -> dict[str, Any]:
    return {
        "bs_eui": reception.base_station_eui,
        "rxTime": reception.rx_time,
        "snr": reception.snr,
        "rssi": reception.rssi,
        "eqSnr": reception.equivalent_snr,
        "received_at": reception.received_at,
    }


def downlink_dict(downlink: Downlink) -> dict[str, Any]:
    request = downlink.request
    return {
        "queId": downlink.queue_id,
        "state": downlink.state,
        "data": [data.hex() for data in request.data],
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


def iso_time(nanoseconds: int) -> str:
    """ns since 1970 UTC, of a station's clock, as ISO 8601; empty if it is beyond all calendars."""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return ""


def _plain(event: AnyEvent) -> dict[str, Any]:
    fields = msgspec.structs.asdict(event)
    del fields["at"]
    return {
        _FIELD_NAMES.get(name, name): value.hex() if isinstance(value, bytes) else value
        for name, value in fields.items()
    }
