"""The service center's vocabulary, free of wire, storage and transport.

Everything here is an immutable value. Times named ``at`` or ``received_at``
are Unix seconds of the service center's clock; times named ``rx_time`` are
nanoseconds of one base station's clock and prove nothing about ours.
"""

from bssci.model.downlink import Downlink, DownlinkRequest
from bssci.model.eui import EUI, eui_from_int, eui_to_int, parse_eui
from bssci.model.events import (
    AlarmChange,
    AnyEvent,
    CommandFailure,
    CommandResponse,
    DownlinkReception,
    DownlinkStatus,
    Event,
    GatewayState,
    Reception,
    SensorAutoDetached,
    SensorProblem,
    SensorStatus,
    SensorWarning,
    StationProblem,
    StationState,
    StationStatus,
    Subpackets,
    Telegram,
    Uplink,
    VariableMacUplink,
    decode_event,
    encode_event,
)
from bssci.model.reading import Decoded, DecodeFailure, Reading
from bssci.model.sensor import (
    Sensor,
    SensorError,
    parse_sensor,
    sensor_differences,
    sensor_faults,
    sensor_to_json,
)

__all__ = [
    "EUI",
    "AlarmChange",
    "AnyEvent",
    "CommandFailure",
    "CommandResponse",
    "DecodeFailure",
    "Decoded",
    "Downlink",
    "DownlinkReception",
    "DownlinkRequest",
    "DownlinkStatus",
    "Event",
    "Reading",
    "GatewayState",
    "Reception",
    "Sensor",
    "SensorAutoDetached",
    "SensorError",
    "SensorProblem",
    "SensorStatus",
    "SensorWarning",
    "StationProblem",
    "StationState",
    "StationStatus",
    "Subpackets",
    "Telegram",
    "Uplink",
    "VariableMacUplink",
    "decode_event",
    "encode_event",
    "eui_from_int",
    "eui_to_int",
    "parse_eui",
    "parse_sensor",
    "sensor_differences",
    "sensor_faults",
    "sensor_to_json",
]
