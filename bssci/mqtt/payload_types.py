"""Types of the payloads that are published: the JSON Schemas of :mod:`bssci.mqtt.payloads` come from them.

Payloads are built as dictionaries, which costs an uplink less than a struct would. Tests check what is
built against these types, field by field. ``UNSET`` marks what a payload may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bssci.model.downlink import DownlinkState
from bssci.model.states import RequestOutcome, RequestState, Severity

EuiName = Annotated[str, Meta(pattern="^[0-9A-F]{16}$", description="EUI-64", examples=["70B3D56770110001"])]
PublisherEui = Annotated[EuiName, Meta(description="the service center that published it")]
Seconds = Annotated[float, Meta(description="Unix seconds of the service center's clock")]
Nanoseconds = Annotated[int, Meta(description="ns since 1970 UTC, of the base station's clock")]
Decibels = Annotated[float, Meta(description="dB")]
SignalStrength = Annotated[float, Meta(description="dBm")]
Byte = Annotated[int, Meta(ge=0, le=255)]
IsoTime = Annotated[str, Meta(description="`timestamp` as ISO 8601 in UTC, with ns")]
TypedDeviceId = Annotated[
    str, Meta(description="the sensor among all devices", examples=["mioty:70B3D56770110001"])
]
Digits = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$", description="`data` as hexadecimal digits")]
Counter = Annotated[int, Meta(ge=0)]
Ref = Annotated[str | int, Meta(description="`ref` of the request")]
Replayed = Annotated[bool, Meta(description="delivered again because somebody asked for a replay")]


class ComponentPayload(msgspec.Struct):
    """A value that a decoder read."""

    value: float | int | bool | str
    unit: str | UnsetType = UNSET
    device: Annotated[str, Meta(description="device that the value is of, if not the sender")] | UnsetType = (
        UNSET
    )


class FailurePayload(msgspec.Struct):
    """An error with a code for programs and a message for people."""

    code: str
    message: str
    field: Annotated[str, Meta(description="field of the request that is wrong")] | UnsetType = UNSET


class DecodedPayload(msgspec.Struct, kw_only=True):
    """Fields of every payload that a decoder may have read."""

    decoder: Annotated[str, Meta(description="`name@version`")] | UnsetType = UNSET
    components: dict[str, ComponentPayload] | UnsetType = UNSET
    decodeError: FailurePayload | UnsetType = UNSET
    decodeWarnings: list[str] | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class ReceptionPayload(msgspec.Struct, kw_only=True):
    """An uplink as one base station received it."""

    bs_eui: EuiName
    rxTime: Nanoseconds
    snr: Decibels
    rssi: SignalStrength
    eqSnr: Decibels | UnsetType = UNSET


class UplinkPayload(DecodedPayload, kw_only=True):
    """An uplink of a sensor, once for all base stations that received it."""

    id: Annotated[str, Meta(description="the same at every delivery of this uplink")]
    sensor_eui: EuiName
    device_id: TypedDeviceId
    timestamp: Seconds
    received_at: Annotated[float, Meta(description="Unix seconds, when the first copy came")]
    bs_eui: EuiName
    rxTime: Nanoseconds
    time: Annotated[str, Meta(description="`rxTime` as ISO 8601 in UTC; empty if no calendar has it")]
    snr: Decibels
    rssi: SignalStrength
    cnt: Counter
    data: list[Byte]
    dataHex: Digits
    format: Byte
    dlOpen: Annotated[bool, Meta(description="the sensor can receive a downlink now")]
    responseExp: Annotated[bool, Meta(description="the sensor expects an answer")]
    dlAck: Annotated[bool, Meta(description="the sensor acknowledges the last downlink")]
    baseStations: Annotated[list[ReceptionPayload], Meta(min_length=1, description="best first")]
    duplicates: Annotated[int, Meta(ge=0, description="copies beyond the first")]
    known: Annotated[bool, Meta(description="false for a sensor that is not configured")]
    eqSnr: Decibels | UnsetType = UNSET
    profile: str | UnsetType = UNSET
    mode: str | UnsetType = UNSET


class CenterReceptionPayload(msgspec.Struct, kw_only=True):
    """A reception in the layout of an application center."""

    bsEui: Counter
    rxTime: Nanoseconds
    rssi: SignalStrength
    snr: Decibels
    eqSnr: Decibels | UnsetType = UNSET


class CenterComponentPayload(msgspec.Struct):
    """A value that a decoder read, in the layout of an application center."""

    value: float | int | bool | str
    unit: Annotated[str, Meta(description="empty if there is none")]
    device: Annotated[str, Meta(description="device that the value is of, if not the sender")] | UnsetType = (
        UNSET
    )


class CenterMetaPayload(msgspec.Struct):
    """The decoder that read an uplink; empty without one."""

    name: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class CenterUplinkPayload(msgspec.Struct, kw_only=True):
    """An uplink in the layout of an application center (`MQTT_PROFILE=acmqtti`); EUIs are numbers."""

    id: Annotated[str, Meta(description="the same at every delivery of this uplink")]
    baseStations: Annotated[list[CenterReceptionPayload], Meta(min_length=1, description="best first")]
    cnt: Counter
    data: list[Byte]
    format: Byte
    typeEui: Annotated[int, Meta(ge=0, description="0 if it is not known")]
    components: dict[str, CenterComponentPayload]
    meta: CenterMetaPayload
    decoder: Annotated[str, Meta(description="`name@version`")] | UnsetType = UNSET
    decodeError: FailurePayload | UnsetType = UNSET
    decodeWarnings: list[str] | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class SensorStatusPayload(msgspec.Struct, kw_only=True):
    """A sensor was attached or detached, or that failed.

    `base_station_eui` is there unless `action` is `auto_detached`; `over_the_air` with `attached` and
    `detached`; `code` and `message` with failures; the other fields with `auto_detached`.
    """

    device_id: TypedDeviceId
    time: IsoTime
    bs_eui: EuiName | UnsetType = UNSET
    action: Literal["attached", "detached", "attach_failed", "detach_failed", "auto_detached"]
    sensor_eui: EuiName
    timestamp: Seconds
    base_station_eui: EuiName | UnsetType = UNSET
    over_the_air: bool | UnsetType = UNSET
    code: Annotated[int | None, Meta(description="error number of the base station")] | UnsetType = UNSET
    message: str | None | UnsetType = UNSET
    reason: Literal["inactivity"] | UnsetType = UNSET
    inactive_hours: float | UnsetType = UNSET
    threshold_hours: float | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class SensorWarningPayload(msgspec.Struct, kw_only=True):
    """A sensor is silent."""

    device_id: TypedDeviceId
    time: IsoTime
    action: Literal["inactivity_warning"]
    sensor_eui: EuiName
    inactive_hours: float
    hours_until_detach: float
    warning_threshold_hours: float
    detach_threshold_hours: float
    timestamp: Seconds
    replayed: Replayed | UnsetType = UNSET


class SensorErrorPayload(msgspec.Struct, kw_only=True):
    """Something went wrong with a sensor outside a request."""

    sensor_eui: EuiName
    device_id: TypedDeviceId
    time: IsoTime
    bs_eui: EuiName | UnsetType = UNSET
    action: Annotated[str, Meta(description="what was tried: `attach`, ...")]
    message: str
    timestamp: Seconds
    base_station_eui: EuiName | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class ResponsePayload(msgspec.Struct, kw_only=True):
    """The answer to a request for a sensor; the fields of its result stand beside these."""

    device_id: TypedDeviceId
    time: IsoTime
    command: str
    status: RequestState
    sensor_eui: EuiName
    timestamp: Seconds
    ref: Ref | UnsetType = UNSET
    error: FailurePayload | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class DownlinkStatusPayload(msgspec.Struct, kw_only=True):
    """A downlink changed its state."""

    sensor_eui: EuiName
    device_id: TypedDeviceId
    time: IsoTime
    queId: Annotated[int, Meta(description="number of the downlink")]
    status: DownlinkState
    bs_eui: EuiName | None
    timestamp: Seconds
    ref: Ref | UnsetType = UNSET
    txTime: Nanoseconds | UnsetType = UNSET
    cnt: Annotated[int, Meta(description="counter of the uplink that it answered")] | UnsetType = UNSET
    message: Annotated[str, Meta(description="reason of a failure")] | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class DownlinkReceptionPayload(msgspec.Struct, kw_only=True):
    """Quality of a downlink's reception at the sensor."""

    sensor_eui: EuiName
    device_id: TypedDeviceId
    time: IsoTime
    bs_eui: EuiName
    cnt: Counter
    snr: Decibels
    rssi: SignalStrength
    timestamp: Seconds
    queId: int | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class StationStatusPayload(msgspec.Struct, kw_only=True):
    """A base station's report about itself, as complete as it was reported."""

    bs_eui: EuiName
    timestamp: Seconds
    code: Annotated[int, Meta(description="0 = good")] | UnsetType = UNSET
    memLoad: float | UnsetType = UNSET
    cpuLoad: float | UnsetType = UNSET
    dutyCycle: float | UnsetType = UNSET
    time: int | UnsetType = UNSET
    uptime: Annotated[float, Meta(description="s")] | UnsetType = UNSET
    temp: Annotated[float, Meta(description="degrees Celsius")] | UnsetType = UNSET
    message: str | UnsetType = UNSET
    geoLocation: Annotated[list[float], Meta(description="latitude, longitude, altitude")] | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class StationStatePayload(msgspec.Struct, kw_only=True):
    """A base station came or went; retained."""

    bs_eui: EuiName
    timestamp: Seconds
    time: IsoTime
    state: Literal["online", "offline"]
    since: Seconds
    resumed: Annotated[bool, Meta(description="its earlier session was resumed")]
    vendor: str | None
    model: str | None
    name: str | None
    swVersion: str | None
    attached: Annotated[int, Meta(description="sensors that it serves")] | UnsetType = UNSET
    sc_eui: PublisherEui | UnsetType = UNSET


class GatewayStatePayload(msgspec.Struct, kw_only=True):
    """A scanner or controller came or went; retained."""

    gateway: str
    gateway_kind: str
    timestamp: Seconds
    time: IsoTime
    state: Literal["online", "degraded", "offline"]
    since: Seconds
    reason: str
    name: str | None
    sc_eui: PublisherEui | UnsetType = UNSET


class MeterPayload(msgspec.Struct, kw_only=True):
    """The sender of a wireless M-Bus frame."""

    manufacturer: str
    id: str
    version: int
    deviceType: int


class VariableMacPayload(DecodedPayload, kw_only=True):
    """A message of another protocol than mioty, received by a base station (variable MAC)."""

    time: IsoTime
    dataHex: Digits
    bs_eui: EuiName
    macType: Counter
    data: list[Byte]
    trxTime: Annotated[int, Meta(description="ns, counter of the transceiver")]
    sysTime: Nanoseconds
    freqOff: Annotated[float, Meta(description="Hz")]
    snr: Decibels
    rssi: SignalStrength
    crc: Annotated[list[int], Meta(description="header, payload")]
    timestamp: Seconds
    device_id: Annotated[str, Meta(description="the sender, where a decoder knows it")] | UnsetType = UNSET
    eqSnr: Decibels | UnsetType = UNSET
    carrSpace: Annotated[int, Meta(description="0 narrow, 1 standard, 2 wide")] | UnsetType = UNSET
    pattGrp: Annotated[int, Meta(description="0 normal, 1 repetition, 2 low delay")] | UnsetType = UNSET
    pattNum: int | UnsetType = UNSET
    wmbus: MeterPayload | UnsetType = UNSET


class TelegramPayload(DecodedPayload, kw_only=True):
    """A message of a device that is not a mioty sensor."""

    device_id: Annotated[str, Meta(description="the same as `device`")]
    time: IsoTime
    dataHex: Digits
    id: Annotated[str, Meta(description="the same at every delivery of this telegram")]
    device: Annotated[str, Meta(description="the sender, with its kind: `ble:C0:FF:EE:00:00:01`")]
    gateway: Annotated[str, Meta(description="the gateway that received it")]
    source: Annotated[str, Meta(description="the source that brought it")]
    data: list[Byte]
    envelope: Annotated[Mapping[str, Any], Meta(description="the message as it came")]
    timestamp: Seconds
    device_time: Annotated[float, Meta(description="Unix seconds of the device's clock")] | UnsetType = UNSET
    gateway_time: Annotated[float, Meta(description="Unix seconds of the gateway's clock")] | UnsetType = (
        UNSET
    )
    rssi: SignalStrength | UnsetType = UNSET


class AlarmPayload(msgspec.Struct, kw_only=True):
    """Something that is wrong; retained while it is open."""

    time: IsoTime
    id: Annotated[str, Meta(description="condition and subject: `station-offline:CAFE000000000001`")]
    number: int
    state: Literal["open", "closed"]
    severity: Severity
    text: str
    since: Seconds
    returns: Annotated[int, Meta(ge=0, description="times that it came back")]
    timestamp: Seconds
    until: Seconds | UnsetType = UNSET
    acknowledged_by: str | UnsetType = UNSET
    replayed: Replayed | UnsetType = UNSET


class ServiceStatusPayload(msgspec.Struct, kw_only=True):
    """State of the service: birth, last will and farewell; retained."""

    state: Literal["online", "offline"]
    version: str
    since: Seconds


class BacklogPayload(msgspec.Struct, kw_only=True):
    """Figures of a sink, or of the requests that come by MQTT."""

    queued: Counter
    oldest_seconds: float
    failed: Counter
    failing: bool
    rate: Annotated[float, Meta(description="per second, over the last minute")]
    delivered: Counter | UnsetType = UNSET
    answered: Counter | UnsetType = UNSET
    misaddressed: Counter | UnsetType = UNSET
    trouble: str | UnsetType = UNSET
    warning: str | UnsetType = UNSET
    set_aside: Counter | UnsetType = UNSET
    set_aside_reason: str | UnsetType = UNSET


class HealthPayload(msgspec.Struct, kw_only=True):
    """Health of the service, every 60 s."""

    time: IsoTime
    status: Literal["ok", "degraded"]
    timestamp: Seconds
    base_stations: Annotated[int, Meta(ge=0, description="base stations that are connected")]
    alarms: Annotated[dict[str, int], Meta(description="open alarms by severity, `error` and `warning`")]
    queue: Annotated[dict[str, BacklogPayload], Meta(description="by sink")]
    requests: (
        Annotated[BacklogPayload, Meta(description="requests by MQTT; published at the broker only")]
        | UnsetType
    ) = UNSET


class SettingsAnswerPayload(msgspec.Struct, kw_only=True):
    """The answer to `config/get` and `config/set`."""

    time: IsoTime
    command: Literal["config/get", "config/set"]
    status: RequestOutcome
    timestamp: Seconds
    ref: Ref | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    changed: Annotated[list[str], Meta(description="names of settings")] | UnsetType = UNSET
    error: FailurePayload | UnsetType = UNSET


class VariableMacAnswerPayload(msgspec.Struct, kw_only=True):
    """The answer to a request for a base station."""

    time: IsoTime
    bs_eui: EuiName
    status: RequestOutcome
    timestamp: Seconds
    command: Annotated[Any, Meta(description="the command of the request")] | UnsetType = UNSET
    ref: Ref | UnsetType = UNSET
    macTypes: list[int] | UnsetType = UNSET
    error: FailurePayload | UnsetType = UNSET


class DiscoveredDevicePayload(msgspec.Struct, kw_only=True):
    """A sensor as Home Assistant shows it."""

    identifiers: list[str]
    name: str
    model: str
    manufacturer: str
    serial_number: EuiName


class OriginPayload(msgspec.Struct, kw_only=True):
    """The program that announces a device to Home Assistant."""

    name: str
    sw_version: str


class DiscoveryPayload(msgspec.Struct, kw_only=True):
    """An announcement to Home Assistant; retained. An empty message takes it back."""

    name: str
    unique_id: str
    default_entity_id: Annotated[str, Meta(pattern="^[a-z_]+[.][a-z0-9_]+$")]
    state_topic: str
    value_template: str
    availability_topic: str
    availability_template: str
    device: DiscoveredDevicePayload
    origin: OriginPayload
    device_class: str | UnsetType = UNSET
    state_class: str | UnsetType = UNSET
    unit_of_measurement: str | UnsetType = UNSET
    entity_category: str | UnsetType = UNSET


PUBLISHED: Mapping[str, type[msgspec.Struct]] = {
    "uplink": UplinkPayload,
    "acmqtti-uplink": CenterUplinkPayload,
    "sensor-status": SensorStatusPayload,
    "sensor-warning": SensorWarningPayload,
    "sensor-error": SensorErrorPayload,
    "response": ResponsePayload,
    "downlink-status": DownlinkStatusPayload,
    "downlink-reception": DownlinkReceptionPayload,
    "station-status": StationStatusPayload,
    "station-state": StationStatePayload,
    "gateway-state": GatewayStatePayload,
    "variable-mac-uplink": VariableMacPayload,
    "variable-mac-response": VariableMacAnswerPayload,
    "telegram": TelegramPayload,
    "alarm": AlarmPayload,
    "service-status": ServiceStatusPayload,
    "health-check": HealthPayload,
    "settings-response": SettingsAnswerPayload,
    "homeassistant-config": DiscoveryPayload,
}
"""types by the names of their schemas, which MQTT 5 carries as the user property ``schema``"""
