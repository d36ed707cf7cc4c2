"""Topics and names in payloads: others rely on them, so each is written down here once more."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bssci.model import (
    EUI,
    AnyEvent,
    Decoded,
    Reading,
    Reception,
    SensorStatus,
    StationState,
    StationStatus,
    Uplink,
    decode_event,
    encode_event,
)
from bssci.mqtt import payloads
from bssci.sinks.testing_events import every_event

STATION, OTHER, SENSOR = EUI("CAFE000000000001"), EUI("CAFE000000000002"), EUI("70B3D56770110001")
BASIC = {
    "end_point_eui": SENSOR,
    "packet_counter": 7,
    "payload": b"\x01\xff",
    "base_station_eui": STATION,
    "rx_time": 1_700_000_000_123_456_789,
    "snr": 9.5,
    "rssi": -101.25,
    "received_at": 1.0,
}
ALWAYS = {
    "id", "bs_eui", "rxTime", "time", "snr", "rssi", "cnt", "data", "format", "dlOpen", "responseExp",
    "dlAck", "baseStations", "duplicates", "known",
    "sensor_eui", "device_id", "timestamp", "received_at", "dataHex",
}  # fmt: skip


def uplink(**changes: Any) -> Uplink:
    return Uplink(
        at=2.0,
        id="abc",
        known=True,
        receptions=[
            Reception(**BASIC, **changes),
            Reception(**(BASIC | {"base_station_eui": OTHER, "snr": 3.0}), equivalent_snr=2.5),
        ],
        duplicates=3,
    )


def status(action: Any, **changes: Any) -> SensorStatus:
    return SensorStatus(at=2.0, action=action, end_point_eui=SENSOR, base_station_eui=STATION, **changes)


@pytest.mark.parametrize("event", every_event(), ids=lambda event: type(event).__name__)
def test_a_repetition_is_the_same_byte_for_byte(event: AnyEvent) -> None:
    again = decode_event(encode_event(event))
    assert payloads.message("mioty", again) == payloads.message("mioty", event)


FULL_STATUS = {
    "code": 0, "message": "ok", "time": 5, "duty_cycle": 0.1, "geo_location": [1.0, 2.0, 3.0], "uptime": 9.0,
    "temperature": 20.0, "cpu_load": 0.5, "memory_load": 0.25,
}  # fmt: skip
SENSORS = {"sensor_eui", "device_id", "bs_eui", "timestamp", "time"}
ATTACHED = {"action", "base_station_eui", "over_the_air"} | SENSORS
FAILED = {"action", "base_station_eui", "code", "message"} | SENSORS


@pytest.mark.parametrize(
    ("event", "topic", "names"),
    [
        (uplink(), f"ep/{SENSOR}/ul", ALWAYS),
        (
            uplink(equivalent_snr=1.0, profile="eu1", mode="ulp"),
            f"ep/{SENSOR}/ul",
            ALWAYS | {"eqSnr", "profile", "mode"},
        ),
        (status("attached"), f"ep/{SENSOR}/status", ATTACHED),
        (status("detached", over_the_air=True), f"ep/{SENSOR}/status", ATTACHED),
        (status("attach_failed", code=22, message="no"), f"ep/{SENSOR}/status", FAILED),
        (status("detach_failed", code=22, message="no"), f"ep/{SENSOR}/status", FAILED),
        (
            StationStatus(at=2.0, base_station_eui=STATION, **FULL_STATUS),
            f"bs/{STATION}",
            {
                "code", "memLoad", "cpuLoad", "dutyCycle", "time", "uptime", "temp", "message", "geoLocation",
                "timestamp", "bs_eui",
            },
        ),
        (StationStatus(at=2.0, base_station_eui=STATION), f"bs/{STATION}", {"timestamp", "bs_eui"}),
    ],
)  # fmt: skip
def test_topic_and_names(event: Any, topic: str, names: set[str]) -> None:
    message = payloads.message("mioty", event)
    assert message is not None
    assert (message.topic, message.retain) == (f"mioty/{topic}", False)
    assert set(json.loads(message.payload)) == names


def test_the_values_of_an_uplink() -> None:
    payload = json.loads(payloads.message("mioty", uplink(downlink_open=True, format=192)).payload)
    assert payload == {
        "id": "abc",
        "sensor_eui": SENSOR,
        "device_id": f"mioty:{SENSOR}",
        "timestamp": 2.0,
        "received_at": 1.0,
        "bs_eui": STATION,
        "rxTime": 1_700_000_000_123_456_789,
        "time": "2023-11-14T22:13:20.123456789Z",
        "snr": 9.5,
        "rssi": -101.25,
        "cnt": 7,
        "data": [1, 255],
        "dataHex": "01ff",
        "format": 192,
        "dlOpen": True,
        "responseExp": False,
        "dlAck": False,
        "baseStations": [
            {"bs_eui": STATION, "rxTime": 1_700_000_000_123_456_789, "snr": 9.5, "rssi": -101.25},
            {"bs_eui": OTHER, "rxTime": 1_700_000_000_123_456_789, "snr": 3.0, "rssi": -101.25, "eqSnr": 2.5},
        ],
        "duplicates": 3,
        "known": True,
    }


def test_a_status_is_published_as_it_was_reported() -> None:
    event = StationStatus(at=2.0, base_station_eui=STATION, time=1_700_000_000_000_000, cpu_load=45.0, code=0)
    assert json.loads(payloads.message("mioty", event).payload) == {
        "time": 1_700_000_000_000_000,
        "cpuLoad": 45.0,
        "code": 0,
        "bs_eui": STATION,
        "timestamp": 2.0,
    }


def test_the_present_is_retained() -> None:
    state = StationState(
        at=3.0, base_station_eui=STATION, state="online", resumed=True, vendor="V", reason="secretly"
    )
    message = payloads.station_state("mioty", state)
    assert (message.topic, message.retain) == (f"mioty/bs/{STATION}/state", True)
    assert json.loads(message.payload) == {
        "state": "online",
        "since": 3.0,
        "resumed": True,
        "vendor": "V",
        "model": None,
        "name": None,
        "swVersion": None,
        "bs_eui": STATION,
        "timestamp": 3.0,
        "time": "1970-01-01T00:00:03.000000000Z",
    }
    message = payloads.service_status("a/b", "offline", "1.0", 4.0)
    assert (message.topic, message.retain) == ("a/b/service/status", True)
    assert json.loads(message.payload) == {"state": "offline", "version": "1.0", "since": 4.0}


def test_health_is_not_retained() -> None:
    message = payloads.health_check("mioty", {"status": "ok", "timestamp": 2.0})
    assert (message.topic, message.retain) == ("mioty/health_check", False)


def test_a_state_goes_its_own_way() -> None:
    assert payloads.message("mioty", StationState(at=1.0, base_station_eui=STATION, state="online")) is None


def test_readings_are_components() -> None:
    decoded = Decoded(decoder="meter@3", readings=(Reading("volume", 12.5, "m³"),))
    event = msgspec.structs.replace(uplink(), decoded=decoded)
    payload = json.loads(payloads.message("mioty", event).payload)
    assert payload["components"] == {"volume": {"value": 12.5, "unit": "m³"}}
    assert payload["decoder"] == "meter@3"
    assert set(payload) == ALWAYS | {"components", "decoder"}
