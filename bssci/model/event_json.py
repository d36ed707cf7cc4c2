"""Events as JSON objects, one form for every way out: names and units as the MQTT payloads have them.

An object holds what msgspec can encode: text, numbers, lists, objects, None, and bytes where a
telegram's envelope has them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from bssci.model.events import Event, Reception, Telegram, Uplink, VariableMacUplink
from bssci.model.reading import Decoded, Reading

FIELD_NAMES = {
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
"""names of fields that MQTT payloads call otherwise"""


def event_json(event: Event) -> dict[str, Any]:
    """Return ``kind``, ``timestamp`` (Unix s) and what the event says, also of a kind that is yet unknown."""
    said = {"kind": kind_of(event), "timestamp": event.at}
    if isinstance(event, Uplink):
        return said | {"sensor_eui": event.end_point_eui} | uplink_json(event)
    if isinstance(event, VariableMacUplink):
        return said | variable_mac_json(event)
    if isinstance(event, Telegram):
        return said | telegram_json(event)
    return said | _plain(event)


def kind_of(event: Event) -> str:
    """Return the name of an event's kind: ``uplink``, ``sensor-status``, ..."""
    return str(type(event).__struct_config__.tag)


def uplink_json(event: Uplink) -> dict[str, Any]:
    """Return an uplink as ``ep/{EUI}/ul`` has it, whose topic names the sensor."""
    best = event.receptions[0]
    # Every uplink passes here: ifs cost less than a dictionary of what may be None.
    said: dict[str, Any] = {
        "id": event.id,
        "bs_eui": best.base_station_eui,
        "rxTime": best.rx_time,
        "time": iso_time(best.rx_time),
        "snr": best.snr,
        "rssi": best.rssi,
        "cnt": best.packet_counter,
        "data": list(best.payload),
        "format": best.format,
        "dlOpen": best.downlink_open,
        "responseExp": best.response_expected,
        "dlAck": best.downlink_acknowledged,
        "baseStations": [reception_json(each) for each in event.receptions],
        "duplicates": event.duplicates,
        "known": event.known,
    }
    if best.equivalent_snr is not None:
        said["eqSnr"] = best.equivalent_snr
    if best.profile is not None:
        said["profile"] = best.profile
    if best.mode is not None:
        said["mode"] = best.mode
    if event.decoded is not None:
        said |= decoded_json(event.decoded)
    return said


def reception_json(reception: Reception) -> dict[str, Any]:
    """Return what one base station heard, as an entry of ``baseStations``."""
    said: dict[str, Any] = {
        "bs_eui": reception.base_station_eui,
        "rxTime": reception.rx_time,
        "snr": reception.snr,
        "rssi": reception.rssi,
    }
    if reception.equivalent_snr is not None:
        said["eqSnr"] = reception.equivalent_snr
    return said


def decoded_json(decoded: Decoded | None) -> dict[str, Any]:
    """Return ``decoder`` and ``components``, or ``decodeError``; nothing where no decoder was asked.

    A component is named for its reading. One of another device than the sender has that device in
    front, ``{device}/{name}``, and as its ``device``.
    """
    if decoded is None:
        return {}
    said: dict[str, Any] = {"decoder": decoded.decoder}
    if decoded.failure is not None:
        said["decodeError"] = {"code": decoded.failure.code, "message": decoded.failure.message}
    else:
        said["components"] = {
            f"{each.device}/{each.name}" if each.device else each.name: _component(each)
            for each in decoded.readings
        }
    if decoded.warnings:
        said["decodeWarnings"] = list(decoded.warnings)
    return said


def _component(reading: Reading) -> dict[str, Any]:
    said: dict[str, Any] = {"value": reading.value}
    if reading.unit is not None:
        said["unit"] = reading.unit
    if reading.device is not None:
        said["device"] = reading.device
    return said


def variable_mac_json(event: VariableMacUplink) -> dict[str, Any]:
    """Return a telegram of another MAC as ``bs/{EUI}/vm/ul`` has it, as reported."""
    reported = {
        "eqSnr": event.equivalent_snr,
        "carrSpace": event.carrier_spacing,
        "pattGrp": event.pattern_group,
        "pattNum": event.pattern_number,
    }
    return {
        "bs_eui": event.base_station_eui,
        "macType": event.mac_type,
        "data": list(event.payload),
        "trxTime": event.trx_time,
        "sysTime": event.system_time,
        "freqOff": event.frequency,
        "snr": event.snr,
        "rssi": event.rssi,
        "crc": event.crc,
        **_said(reported),
        **decoded_json(event.decoded),
    }


def telegram_json(event: Telegram) -> dict[str, Any]:
    """Return a message of a device that is no mioty sensor."""
    times = {"device_time": event.device_time, "gateway_time": event.gateway_time, "rssi": event.rssi}
    return {
        "id": event.id,
        "device": event.device,
        "gateway": event.gateway,
        "source": event.source,
        "data": list(event.payload),
        **_said(times),
        "envelope": event.envelope,
        **decoded_json(event.decoded),
    }


def iso_time(nanoseconds: int) -> str:
    """Return ns since 1970 UTC as ISO 8601, with all digits; empty beyond all calendars."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
    except (OverflowError, ValueError, OSError):
        return ""


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _plain(event: Event) -> dict[str, Any]:
    fields = msgspec.structs.asdict(event)
    del fields["at"]
    return {
        FIELD_NAMES.get(name, name): value.hex() if isinstance(value, bytes) else value
        for name, value in fields.items()
    }
