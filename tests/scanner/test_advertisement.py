from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from bssci.scanner.advertisement import HeardAdvertisement, message_of, rebuilt

UUID = "0000181a-0000-1000-8000-00805f9b34fb"


def advertisement(**changes: Any) -> HeardAdvertisement:
    values: dict[str, Any] = {
        "address": "A4:C1:38:00:00:01", "address_type": "random", "name": "LYWSD03", "rssi": -71,
        "manufacturer_data": {0x4C: b"\x02\x15"}, "service_data": {UUID: b"\1\2"}, "service_uuids": (UUID,),
    }  # fmt: skip
    return HeardAdvertisement(**values | changes)


def test_a_message_has_the_fields_of_a_raw_advertisement() -> None:
    said = json.loads(message_of(advertisement(), "roof", 1_700_000_000.1234))
    assert said["version"] == "1.0"
    assert said["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert said["scanner_id"] == "roof"
    assert said["device"] == {
        "address": "A4:C1:38:00:00:01",
        "address_type": "random",
        "name": "LYWSD03",
        "rssi": -71,
    }
    assert said["manufacturer_data"] == {"0x004c": "AhU="}
    assert said["service_data"] == {UUID: "AQI="}
    assert said["service_uuids"] == [UUID]
    assert said["raw_data_rebuilt"] is True
    assert b64decode(said["raw_data"]) == rebuilt(advertisement())


def test_what_was_not_said_is_not_told() -> None:
    said = json.loads(
        message_of(
            advertisement(name=None, manufacturer_data={}, service_data={}, service_uuids=()), "r", 0.0
        )
    )
    assert {"name"} & said["device"].keys() == set()
    assert {"manufacturer_data", "service_data", "service_uuids"} & said.keys() == set()
    assert said["raw_data"] == ""


def test_the_bytes_are_structures_with_length_and_type() -> None:
    assert rebuilt(advertisement()).hex(" ") == (
        "03 03 1a 18 05 16 1a 18 01 02 05 ff 4c 00 02 15 08 09 4c 59 57 53 44 30 33"
    )


def test_uuids_take_as_many_bytes_as_on_the_air() -> None:
    four, sixteen = "12345678-0000-1000-8000-00805f9b34fb", "12345678-1234-5678-1234-56789abcdef0"
    found = rebuilt(
        advertisement(
            name=None, manufacturer_data={}, service_uuids=(), service_data={four: b"", sixteen: b""}
        )
    )
    assert found.hex(" ") == ("05 20 78 56 34 12 11 21 f0 de bc 9a 78 56 34 12 78 56 34 12 78 56 34 12")


def test_the_content_is_all_but_the_signal() -> None:
    assert advertisement(rssi=-20).content == advertisement().content
    for other in ({"name": None}, {"service_data": {UUID: b"\1\3"}}, {"manufacturer_data": {}}):
        assert advertisement(**other).content != advertisement().content
