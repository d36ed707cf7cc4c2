"""Uplinks as an application center publishes them: names and forms as its published interface has them."""

from __future__ import annotations

import json

import msgspec

from bssci.model import EUI, Reading, parse_sensor
from bssci.model.reading import Decoded, DecodeFailure
from bssci.mqtt import acmqtti
from tests.support.center import sensor_entry
from tests.support.journal import SENSOR, STATION, uplink

CENTER = EUI("0200000000000001")


def test_euis_of_topics_have_dashes_and_are_lower_case() -> None:
    assert acmqtti.dashed(EUI("70B3D56770110001")) == "70-b3-d5-67-70-11-00-01"
    assert acmqtti.downlink_filters("mioty", CENTER)[0] == "mioty/02-00-00-00-00-00-00-01/+/downlink"


def test_an_uplink_is_laid_out_as_a_mioty_application_center_does() -> None:
    readings = (Reading("temperature", 21.5, "°C"), Reading("alarm", True))
    decoded = Decoded(decoder="meter@1", readings=readings)
    event = msgspec.structs.replace(uplink(7), decoded=decoded)
    sensor = parse_sensor(sensor_entry(eui=SENSOR, typeEui="00000000000000FF"))
    message = acmqtti.uplink("mioty", CENTER, event, sensor)
    assert message.topic == "mioty/02-00-00-00-00-00-00-01/fc-a8-4a-03-00-00-12-34/uplink"
    assert json.loads(message.payload) == {
        "baseStations": [
            {"bsEui": int(STATION, 16), "rxTime": 1_700_000_000_000_000_000, "rssi": -101.25, "snr": 10.5}
        ],
        "cnt": 7,
        "data": [1, 2],
        "format": 0,
        "id": event.id,
        "typeEui": 255,
        "decoder": "meter@1",
        "components": {"temperature": {"value": 21.5, "unit": "°C"}, "alarm": {"value": True, "unit": ""}},
        "meta": {"name": "meter", "version": "1"},
    }


def test_what_published_software_reads_is_always_there() -> None:
    """An example of the interface reads ``typeEui``, ``components`` and ``meta`` without asking for them."""
    said = json.loads(acmqtti.uplink("mioty", CENTER, uplink(7), None, replayed=True).payload)
    assert (said["typeEui"], said["components"], said["meta"], said["replayed"]) == (0, {}, {}, True)
    failed = Decoded(decoder="meter@1", failure=DecodeFailure("short", "2 bytes are missing"))
    event = msgspec.structs.replace(uplink(7), decoded=failed)
    said = json.loads(acmqtti.uplink("mioty", CENTER, event, None).payload)
    assert said["components"] == {} and said["decodeError"]["code"] == "short"
