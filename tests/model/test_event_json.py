"""The one form of an event as JSON: names that others rely on, written down here once more."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest

from bssci.model import (
    AnyEvent,
    Decoded,
    DecodeFailure,
    GatewayState,
    Reading,
    Telegram,
    Uplink,
    VariableMacUplink,
)
from bssci.model.event_json import decoded_json, event_json, uplink_json
from bssci.model.iso_times import iso_time
from bssci.mqtt.payloads import gateway_state
from bssci.sinks.testing_events import (
    AT,
    OTHER_STATION,
    RX_TIME,
    SENSOR,
    STATION,
    every_event,
    reception,
    unknown_event,
    uplink,
)

OPTIONAL_OF_UPLINK = {"eqSnr", "profile", "mode", "components", "decoder", "decodeError", "decodeWarnings"}


def test_every_kind_becomes_json_with_kind_and_time() -> None:
    kinds = {kind.__struct_config__.tag for kind in get_args(AnyEvent)}
    seen = set()
    for event in every_event():
        back = msgspec.json.decode(msgspec.json.encode(event_json(event)))
        assert back["timestamp"] == event.at
        seen.add(back["kind"])
    assert seen == kinds


def test_an_unknown_kind_is_told_with_its_own_fields() -> None:
    assert event_json(unknown_event()) == {
        "kind": "kind-of-tomorrow",
        "timestamp": AT,
        "time": "2023-11-14T22:13:20.250000000Z",
        "place": "roof",
        "measure": 1.5,
    }


def test_an_uplink_has_every_field_by_its_name() -> None:
    other = reception(7, base_station_eui=OTHER_STATION, snr=3.0, equivalent_snr=2.5)
    event = uplink(7, receptions=[reception(7), other], duplicates=3)
    assert uplink_json(event) == {
        "id": "uplink-7",
        "sensor_eui": SENSOR,
        "device_id": f"mioty:{SENSOR}",
        "timestamp": event.at,
        "received_at": event.receptions[0].received_at,
        "bs_eui": STATION,
        "rxTime": RX_TIME + 7,
        "time": "2023-11-14T22:13:20.123456796Z",
        "snr": 9.5,
        "rssi": -101.25,
        "cnt": 7,
        "data": [1, 255],
        "dataHex": "01ff",
        "format": 0,
        "dlOpen": False,
        "responseExp": False,
        "dlAck": False,
        "baseStations": [
            {"bs_eui": STATION, "rxTime": RX_TIME + 7, "snr": 9.5, "rssi": -101.25},
            {"bs_eui": OTHER_STATION, "rxTime": RX_TIME + 7, "snr": 3.0, "rssi": -101.25, "eqSnr": 2.5},
        ],
        "duplicates": 3,
        "known": True,
    }
    assert event_json(event) == {"kind": "uplink"} | uplink_json(event)


def test_an_uplink_has_no_other_names() -> None:
    plain = set(uplink_json(uplink(1)))
    for event in every_event():
        if isinstance(event, Uplink):
            assert plain <= set(uplink_json(event)) <= plain | OPTIONAL_OF_UPLINK


def test_readings_are_components() -> None:
    readings = (
        Reading("volume", 12.5, "m³"),
        Reading("alarm", value=False),
        Reading("temperature", 3, "°C", device="mioty:70B3D56770110002"),
        Reading("temperature", 4, "°C"),
    )
    assert decoded_json(Decoded(decoder="meter@3", readings=readings, warnings=("w",))) == {
        "decoder": "meter@3",
        "components": {
            "volume": {"value": 12.5, "unit": "m³"},
            "alarm": {"value": False},
            "mioty:70B3D56770110002/temperature": {
                "value": 3,
                "unit": "°C",
                "device": "mioty:70B3D56770110002",
            },
            "temperature": {"value": 4, "unit": "°C"},
        },
        "decodeWarnings": ["w"],
    }


def test_a_payload_that_was_not_read_says_why() -> None:
    failure = DecodeFailure("too_short", "needs 5 bytes, has 2")
    said = decoded_json(Decoded(decoder="meter@3", failure=failure))
    assert said == {
        "decoder": "meter@3",
        "decodeError": {"code": "too_short", "message": "needs 5 bytes, has 2"},
    }
    assert decoded_json(None) == {}


def test_telegrams_carry_their_bytes_as_numbers() -> None:
    samples = [event for event in every_event() if isinstance(event, Telegram | VariableMacUplink)]
    for event in samples:
        said = event_json(event)
        assert said["data"] == list(event.payload)
        assert ("components" in said) == (event.decoded is not None)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (2**64 - 1, "2554-07-21T23:34:33.709551615Z"),
        (10**30, ""),
    ],
)
def test_a_time_keeps_its_digits(nanoseconds: int, text: str) -> None:
    assert iso_time(nanoseconds) == text


def test_a_gateway_without_a_name_has_the_name_null_as_on_mqtt() -> None:
    state = next(event for event in every_event() if isinstance(event, GatewayState))
    nameless = msgspec.structs.replace(state, name="")
    assert event_json(nameless)["name"] is None
    assert json.loads(gateway_state("mioty", nameless).payload)["name"] is None
