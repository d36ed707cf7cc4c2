"""Events, as sinks see them: uplinks, telegrams, and changes of stations, gateways and sensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from bssci.model.downlink import DownlinkState
from bssci.model.eui import EUI
from bssci.model.reading import Decoded
from bssci.model.states import RequestState, Severity


class Subpackets(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Arrays of equal length, one element for each received subpacket: dB, dBm, Hz, degrees."""

    snr: list[float]
    rssi: list[float]
    frequency: list[float]
    phase: list[float] | None = None


class Reception(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """The reception of one uplink by one base station."""

    end_point_eui: EUI
    packet_counter: int
    payload: bytes
    base_station_eui: EUI
    rx_time: int
    """ns since 1970 UTC of that station's clock"""
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""
    received_at: float
    """Unix seconds of the service center's clock"""
    format: int = 0
    downlink_open: bool = False
    response_expected: bool = False
    downlink_acknowledged: bool = False
    equivalent_snr: float | None = None
    """signal-to-noise ratio at which a reception without interference would be equally good, dB"""
    profile: str | None = None
    mode: str | None = None
    rx_duration: int | None = None
    """time on the air, ns"""
    subpackets: Subpackets | None = None

    @property
    def key(self) -> tuple[EUI, int, bytes]:
        """Return the values that all copies of one uplink have in common."""
        return (self.end_point_eui, self.packet_counter, self.payload)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", gc=False):
    """Something that happened at ``at`` (Unix seconds of the service center's clock)."""

    at: float


class Uplink(Event, frozen=True, kw_only=True, omit_defaults=True, tag="uplink"):
    """One message of a sensor, merged from the receptions of all base stations that heard it."""

    id: str
    """the same for every delivery of this uplink"""
    known: bool
    """false for a sensor that endpoints.json lacks"""
    receptions: list[Reception]
    """one per base station, best signal first"""
    duplicates: int
    """copies beyond the first"""
    decoded: Decoded | None = None
    """readings of the payload, added on the way to the sinks; None in the journal and without a decoder"""

    @property
    def best(self) -> Reception:
        return self.receptions[0]

    @property
    def end_point_eui(self) -> EUI:
        return self.receptions[0].end_point_eui

    @property
    def packet_counter(self) -> int:
        return self.receptions[0].packet_counter

    @property
    def payload(self) -> bytes:
        return self.receptions[0].payload


class SensorStatus(Event, frozen=True, kw_only=True, tag="sensor-status"):
    """A sensor was attached to or detached from one base station, or the attempt failed."""

    action: Literal["attached", "detached", "attach_failed", "detach_failed"]
    end_point_eui: EUI
    base_station_eui: EUI
    over_the_air: bool = False
    code: int | None = None
    """the station's error code (a POSIX errno), for failures"""
    message: str | None = None


class StationStatus(Event, frozen=True, kw_only=True, tag="station-status"):
    """A base station's report about itself; a field is None where the report lacks it."""

    base_station_eui: EUI
    code: int | None = None
    message: str | None = None
    time: int | None = None
    """time as reported: ns UTC, though one vendor sends microseconds"""
    duty_cycle: float | None = None
    geo_location: list[float] | None = None
    """[latitude, longitude, altitude]"""
    uptime: float | None = None
    """s since the station started"""
    temperature: float | None = None
    """degrees Celsius"""
    cpu_load: float | None = None
    memory_load: float | None = None


class StationState(Event, frozen=True, kw_only=True, tag="station-state"):
    """A base station connected or disconnected at ``at``."""

    base_station_eui: EUI
    state: Literal["online", "offline"]
    resumed: bool = False
    attached: int | None = None
    """number of sensors that it serves, once all were propagated in this session; None: not known yet"""
    reason: str = ""
    """reason for the disconnection, for people, not for programs"""
    vendor: str | None = None
    model: str | None = None
    name: str | None = None
    software_version: str | None = None


Direction = Literal["sent", "received"]
"""direction of an error as the service center sees it"""


class StationProblem(Event, frozen=True, kw_only=True, tag="station-problem"):
    """An ``error`` message between a base station and the service center, in either direction."""

    base_station_eui: EUI
    direction: Direction
    code: int
    """a POSIX errno"""
    message: str
    count: int = 1
    """errors like this since the last report"""


class SensorAutoDetached(Event, frozen=True, kw_only=True, tag="sensor-auto-detached"):
    """A sensor was silent for too long and has been detached everywhere."""

    end_point_eui: EUI
    inactive_hours: float
    threshold_hours: float


class SensorWarning(Event, frozen=True, kw_only=True, tag="sensor-warning"):
    """A sensor has been silent for so long that it will soon be detached; once per silence."""

    end_point_eui: EUI
    inactive_hours: float
    hours_until_detach: float
    warning_threshold_hours: float
    detach_threshold_hours: float


class SensorProblem(Event, frozen=True, kw_only=True, tag="sensor-problem"):
    """Something went wrong with a sensor outside a command."""

    end_point_eui: EUI
    action: str
    """the attempt that failed: attach, detach, ..."""
    message: str
    base_station_eui: EUI | None = None


class CommandResponse(Event, frozen=True, kw_only=True, tag="command-response"):
    """The answer to a request that came through a sink, published through the sinks."""

    end_point_eui: EUI
    command: str
    status: RequestState
    ref: str | int | None = None
    """reference that the request had, repeated"""
    error: CommandFailure | None = None
    result: dict[str, Any] = {}
    reply_to: str = ""
    """address to which the request wants its answer in addition to the usual one; empty: none"""
    correlation: bytes = b""
    """correlation data that the request had, repeated in the answer to ``reply_to``"""


class CommandFailure(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Reason for which a request was refused or failed."""

    code: str
    message: str
    field: str | None = None


class DownlinkStatus(Event, frozen=True, kw_only=True, tag="downlink-status"):
    """A downlink changed its state."""

    end_point_eui: EUI
    queue_id: int
    status: DownlinkState
    ref: str | int | None = None
    base_station_eui: EUI | None = None
    tx_time: int | None = None
    """ns UTC of the station's clock, if sent"""
    packet_counter: int | None = None
    """counter of the uplink that the downlink answered, if sent"""
    message: str | None = None
    """reason for a failure"""


class DownlinkReception(Event, frozen=True, kw_only=True, tag="downlink-reception"):
    """Quality of a downlink's reception at the sensor (§5.15)."""

    end_point_eui: EUI
    base_station_eui: EUI
    """the station that received the sensor's report"""
    packet_counter: int
    """packet counter in the report"""
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""
    queue_id: int | None = None
    """queue id of the last downlink that was sent to the sensor, if known"""


class VariableMacUplink(Event, frozen=True, kw_only=True, tag="variable-mac-uplink"):
    """A base station received a telegram of a MAC other than mioty's (sub-channel ``vm.``)."""

    base_station_eui: EUI
    mac_type: int
    payload: bytes
    trx_time: int
    """ns, counter of the transceiver"""
    system_time: int
    """ns UTC of the station's clock"""
    frequency: float
    """Hz: an offset according to the specification, though stations have been seen to send an absolute one"""
    snr: float
    """signal-to-noise ratio, dB"""
    rssi: float
    """received signal strength, dBm"""
    equivalent_snr: float | None = None
    subpackets: Subpackets | None = None
    carrier_spacing: int | None = None
    """0 narrow, 1 standard, 2 wide"""
    pattern_group: int | None = None
    """0 normal, 1 repetition, 2 low delay"""
    pattern_number: int | None = None
    crc: list[int] = []
    """header, payload"""
    device: str | None = None
    """id of the sender: ``wmbus:KAM-12345678``, or ``vm:{EUI}`` of the station where the bytes name none"""
    decoded: Decoded | None = None
    """readings of the payload, as in :class:`Uplink`"""


class Telegram(Event, frozen=True, kw_only=True, omit_defaults=True, tag="telegram"):
    """A message of a device other than a mioty sensor, received by a source at ``at``."""

    id: str
    """the same for every delivery of this telegram"""
    device: str
    """id of the device with its kind in front: ``ble:{MAC}``, ``f2:{mac}/J1/3``"""
    gateway: str
    """the scanner or controller that heard it"""
    source: str
    """the source plugin that brought it"""
    payload: bytes
    device_time: float | None = None
    """Unix seconds of the device's own clock"""
    gateway_time: float | None = None
    """Unix seconds of the gateway's clock"""
    rssi: float | None = None
    """received signal strength, dBm"""
    envelope: Mapping[str, Any] = {}
    """the message as it came, without what the fields above hold"""
    decoded: Decoded | None = None
    """readings of the payload, as in :class:`Uplink`"""


class AlarmChange(Event, frozen=True, kw_only=True, tag="alarm"):
    """An alarm opened, closed, was acknowledged, or became better or worse."""

    id: str
    """condition and subject: ``station-offline:CAFE000000000001``"""
    number: int
    state: Literal["open", "closed"]
    severity: Severity
    text: str
    since: float
    """Unix seconds"""
    until: float | None = None
    """Unix seconds; None while the alarm is open"""
    returns: int = 0
    """times that the condition came back soon after it had ended, which reopened the alarm"""
    acknowledged_by: str | None = None
    href: str = ""
    """page of the web admin about its subject; empty in what older versions stored"""


class GatewayState(Event, frozen=True, kw_only=True, tag="gateway-state"):
    """A scanner or controller changed its state at ``at``."""

    gateway: str
    gateway_kind: str
    """``scanner`` or ``controller``"""
    state: Literal["online", "degraded", "offline"]
    reason: str = ""
    """reason for people: ``silent for 5 minutes``"""
    name: str = ""


AnyEvent = (
    Uplink
    | SensorStatus
    | SensorAutoDetached
    | SensorWarning
    | SensorProblem
    | CommandResponse
    | DownlinkStatus
    | DownlinkReception
    | StationStatus
    | StationState
    | StationProblem
    | VariableMacUplink
    | Telegram
    | AlarmChange
    | GatewayState
)


def sensor_of(event: Event) -> EUI | None:
    """Return the EUI of the sensor that an event is about; None for all other kinds of events."""
    eui: EUI | None = getattr(event, "end_point_eui", None)
    return eui


def station_of(event: Event) -> EUI | None:
    """Return the EUI of the base station that an event is about; None for others, and for an uplink."""
    eui: EUI | None = getattr(event, "base_station_eui", None)
    return eui


def decoded_of(event: Event) -> Decoded | None:
    """Return the readings of an event with a payload, if a decoder has added them."""
    decoded: Decoded | None = getattr(event, "decoded", None)
    return decoded


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


def encode_event(event: AnyEvent) -> bytes:
    """Return an event as MessagePack, as the journal stores it."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """Return the event that :func:`encode_event` wrote.

    :raises msgspec.DecodeError: if it is not an event.
    """
    return _decoder.decode(data)
