"""Events as JSON objects, for the API, the stream of events and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from twisted.logger import Logger

from bssci.model import EUI, AnyEvent, Downlink, Reception, Uplink, VariableMacUplink
from bssci.model.event_json import FIELD_NAMES, event_json, kind_of, reception_json, uplink_json
from bssci.model.events import decoded_of, sensor_of, station_of
from bssci.system.clock import boot_seconds
from bssci.system.line_limit import FaultLimit, telling
from bssci.web.live.names import NameOf, nameless
from bssci.web.live.sentences import sentence
from bssci.web.live.values import values_text

_log = Logger()
_faults = FaultLimit(boot_seconds)


def event_dict(seq: int, event: AnyEvent, name_of: NameOf = nameless) -> dict[str, Any]:
    """Return an event in the form that pages and API use.

    It has ``seq``, ``kind``, ``timestamp``, the fields of the event, ``title`` (the event as a
    sentence), ``names`` (those of its sensor, base stations, device and gateway that have one, by EUI or
    id), and where it was decoded ``values`` (as text). One that cannot be described has the kind ``damaged``,
    so that it costs itself only.
    """
    try:
        return _described(seq, event, name_of)
    except Exception as error:
        if (left_out := _faults.admit(error)) is not None:
            _log.failure(telling("event cannot be described {seq}", left_out), seq=seq, left_out=left_out)
        title = "An event that cannot be shown: the log says why"
        return {"seq": seq, "kind": "damaged", "timestamp": event.at, "title": title, "names": {}}


def _described(seq: int, event: AnyEvent, name_of: NameOf) -> dict[str, Any]:
    described = {"seq": seq} | _said(event) | {"kind": kind_of(event), "timestamp": event.at}
    described["title"] = sentence(described)
    sensor, stations = parties(event)
    involved = (sensor, *stations, described.get("device"), described.get("gateway"))
    described["names"] = {id: name for id in involved if id and (name := name_of(id))}
    return described | _values(event, name_of)


def parties(event: AnyEvent) -> tuple[EUI | None, Sequence[EUI | None]]:
    """Return the sensor and the base stations that an event is about."""
    if isinstance(event, Uplink):
        return event.end_point_eui, [each.base_station_eui for each in event.receptions]
    return sensor_of(event), [station_of(event)]


def uplink_dict(event: Uplink) -> dict[str, Any]:
    """Return an uplink as on MQTT, with more fields and the receptions that it was merged from, best
    first.
    """
    best = event.receptions[0]
    return uplink_json(event) | {
        "base_station_eui": best.base_station_eui,
        "size": len(best.payload),
        "mode": best.mode,
        "profile": best.profile,
        "baseStations": [reception_dict(each) for each in event.receptions],
        **_values(event),
    }


def reception_dict(reception: Reception) -> dict[str, Any]:
    """Return a reception as on MQTT, with the time at which it arrived here."""
    more = {"eqSnr": reception.equivalent_snr, "received_at": reception.received_at}
    return reception_json(reception) | more


def downlink_dict(downlink: Downlink) -> dict[str, Any]:
    """Return a downlink with its outcome."""
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


def _values(event: AnyEvent, name_of: NameOf = nameless) -> dict[str, str]:
    decoded = decoded_of(event)
    return (
        {}
        if decoded is None
        else {"values": values_text(decoded, getattr(event, "device", None) or "", name_of)}
    )


def _said(event: AnyEvent) -> dict[str, Any]:
    if isinstance(event, Uplink):
        return uplink_dict(event)
    if isinstance(event, VariableMacUplink):
        # Fields have other names here than in the topic of the base station.
        fields = msgspec.structs.asdict(event) | {"payload": event.payload.hex()}
        plain = {FIELD_NAMES.get(name, name): value for name, value in fields.items() if name != "at"}
        return event_json(event) | plain
    return event_json(event)
