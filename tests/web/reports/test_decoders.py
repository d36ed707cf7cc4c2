from __future__ import annotations

from typing import Any

import pytest

from bssci.model import Reading
from bssci.web.reports.decoders import ending_for, reading_json
from tests.support.decoders import METER
from tests.support.web import WebHouse, sensor_entry


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ('{"uplink": []}', ".json"),
        ("// of ours\n{}", ".json"),
        ("function decodeUplink(i) {}", ".js"),
        ("\ufeff /* of ours */ // {\n {}", ".json"),
        ("/* of ours {", ".js"),
        ("//\n" * 300_000 + "{}", ".json"),
        ("/*" * 500_000, ".js"),
        ("", ".js"),
    ],
)
def test_the_ending_follows_from_the_text(text: str, ending: str) -> None:
    assert ending_for(text) == ending


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (Reading("t", 21.5, "°C"), {"name": "t", "value": 21.5, "unit": "°C"}),
        (Reading("open", True), {"name": "open", "value": True, "unit": None}),
    ],
)
def test_a_reading_is_told_with_its_unit(reading: Reading, told: dict[str, Any]) -> None:
    assert reading_json(reading) == told


def test_every_decoder_is_told_with_its_file_and_its_examples(web: WebHouse) -> None:
    listed = web.browser("viewer").get("/api/decoders").json()["decoders"]
    assert "water-meter" in {row["name"] for row in listed}
    detail = web.browser("viewer").get("/api/decoders/water-meter").json()
    assert detail["file"] == "water-meter.json" and detail["text"].strip()
    assert web.browser("viewer").get("/api/decoders/nothing").status == 404


def test_sensors_and_other_devices_count_for_the_decoder_that_is_chosen_for_them(web: WebHouse) -> None:
    browser = web.browser("operator")
    for changes in ({}, {"typeEui": METER}):
        assert browser.post("/api/sensors", sensor_entry(1, decoder="water-meter") | changes).status == 200
        rows = browser.get("/api/decoders").json()["decoders"]
        assert {row["name"]: row["sensors"] for row in rows if row["sensors"]} == {"water-meter": 1}
    assert browser.patch("/api/devices/ble:AA:BB:CC:DD:EE:FF", {"decoder": "leak-sensor"}).status == 200
    assert browser.get("/api/decoders/leak-sensor").json()["decoder"]["sensors"] == 1
