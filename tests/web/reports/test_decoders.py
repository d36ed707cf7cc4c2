from __future__ import annotations

from typing import Any

import pytest

from bssci.model import Reading
from bssci.web.reports.decoders import ending_for, reading_json
from tests.support.web import WebHouse


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ('{"uplink": []}', ".json"),
        ("// of ours\n{}", ".json"),
        ("function decodeUplink(i) {}", ".js"),
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
