"""Events as JSON objects, in one form for every output: with the names and units of the MQTT payloads.

    sensor_eui, bs_eui    EUIs of the sensor and of the base station
    device_id             id of the sender, with its kind: ``mioty:70B3D56770110001``
    timestamp, time       Unix s of the service center's clock; ISO 8601 with ns
    data, dataHex         a payload as integers, and the same as hexadecimal digits

An object holds only what msgspec can encode: text, numbers, lists, objects, None, and bytes where a
telegram's envelope has them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.model.device_id import sensor_device
from bssci.model.events import (
    Event,
    GatewayState,
    Reception,
    SensorAutoDetached,
    SensorWarning,
    StationState,
    StationStatus,
    Telegram,
    Uplink,
    VariableMacUplink,
    sensor_of,
    station_of,
)
from bssci.model.iso_times import iso_seconds, iso_time
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
"""names in MQTT payloads of the fields that have a different one there"""


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as an object: ``kind``, ``timestamp`` (Unix s) and the fields of its kind.

    Kinds without a form of their own here get their fields under the names of :data:`FIELD_NAMES`.
    """
    said = {"kind": kind_of(event), "timestamp": event.at}
    if isinstance(event, Uplink):
        return said | uplink_json(event)
    if isinstance(event, VariableMacUplink):
        return said | common_words(event) | variable_mac_json(event)
    if isinstance(event, Telegram):
        return said | telegram_json(event)
    more: dict[str, Any] = {}
    if isinstance(event, SensorAutoDetached):
        more = {"action": "auto_detached", "reason": "inactivity"}
    elif isinstance(event, SensorWarning):
        more = {"action": "inactivity_warning"}
    elif isinstance(event, StationState | GatewayState):
        more = {"since": event.at}
    fields = _plain(event)
    if isinstance(event, GatewayState) and not event.name:
        fields["name"] = None
    return said | common_words(event) | more | fields


def common_words(event: Event) -> dict[str, Any]:
    """Return the fields that all kinds share: ``timestamp``, ``time``, and the sensor and base station."""
    said: dict[str, Any] = {"timestamp": event.at}
    if not isinstance(event, StationStatus):  # its ``time`` is that of the station's own clock
        said["time"] = iso_seconds(event.at)
    sensor = sensor_of(event)
    if sensor is not None:
        said |= {"sensor_eui": sensor, "device_id": sensor_device(sensor)}
    station = station_of(event)
    if station is not None:
        said["bs_eui"] = station
    return said


def kind_of(event: Event) -> str:
    """Return the name of an event's kind: ``uplink``, ``sensor-status``, ..."""
    return str(type(event).__struct_config__.tag)


def uplink_json(event: Uplink) -> dict[str, Any]:
    """Return an uplink in the form of the topic ``ep/{EUI}/ul``."""
    best = event.receptions[0]
    # Runs for every uplink: three ifs cost less than a dictionary filtered for None.
    said: dict[str, Any] = {
        "id": event.id,
        "sensor_eui": best.end_point_eui,
        "device_id": sensor_device(best.end_point_eui),
        "timestamp": event.at,
        "received_at": _first_received(event),
        "bs_eui": best.base_station_eui,
        "rxTime": best.rx_time,
        "time": iso_time(best.rx_time),
        "snr": best.snr,
        "rssi": best.rssi,
        "cnt": best.packet_counter,
        "data": list(best.payload),
        "dataHex": best.payload.hex(),
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
    """Return one base station's reception in the form of an entry of ``baseStations``."""
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
    """Return ``decoder`` with ``components`` or ``decodeError``; empty where no decoder applied.

    A component has the name of its reading. If the reading belongs to a device other than the sender,
    the name is ``{device}/{name}`` and the component has a field ``device``.
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
    """Return a telegram of another MAC in the form of the topic ``bs/{EUI}/vm/ul``."""
    reported = {
        "device_id": event.device,
        "eqSnr": event.equivalent_snr,
        "carrSpace": event.carrier_spacing,
        "pattGrp": event.pattern_group,
        "pattNum": event.pattern_number,
    }
    return {
        "bs_eui": event.base_station_eui,
        "macType": event.mac_type,
        "data": list(event.payload),
        "dataHex": event.payload.hex(),
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
    """Return a telegram, the message of a device other than a mioty sensor."""
    times = {"device_time": event.device_time, "gateway_time": event.gateway_time, "rssi": event.rssi}
    return {
        "id": event.id,
        "device": event.device,
        "device_id": event.device,
        "timestamp": event.at,
        "time": iso_seconds(event.at),
        "gateway": event.gateway,
        "source": event.source,
        "data": list(event.payload),
        "dataHex": event.payload.hex(),
        **_said(times),
        "envelope": event.envelope,
        **decoded_json(event.decoded),
    }


def _first_received(event: Uplink) -> float:
    receptions = event.receptions
    if len(receptions) == 1:
        return receptions[0].received_at
    return min([each.received_at for each in receptions])


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _plain(event: Event) -> dict[str, Any]:
    fields = msgspec.structs.asdict(event)
    del fields["at"]
    return {
        FIELD_NAMES.get(name, name): value.hex() if isinstance(value, bytes) else value
        for name, value in fields.items()
    }
