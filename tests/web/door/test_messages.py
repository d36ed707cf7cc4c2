"""Events as topics and payloads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bssci.model import EUI, CommandResponse, Decoded, Reading, Telegram
from bssci.web.door.messages import Narrator, device_of_level, gap, telemetry_topic
from tests.support.journal import online, uplink
from tests.support.web import SENSOR, WebHouse
from tests.web.door.live_door import (
    UPLINK,
    VOLUME,
    happen,
    heard,
    subscribed,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "live.md"


def test_uplinks_and_readings_as_they_happen(web: WebHouse) -> None:
    probe = subscribed(web, "mioty/ep/#", "device/+/telemetry/#")
    happen(web, heard(web, 7))
    messages = {message.topic: message for message in probe.messages()}
    uplink = json.loads(messages[UPLINK].payload)
    assert (uplink["id"], uplink["cnt"], uplink["components"]["volume"]["value"]) == (f"{SENSOR}-7", 7, 0.007)
    assert messages[UPLINK][2:5] == (1, False, False)
    told = json.loads(messages[VOLUME].payload)
    assert told == {
        "timestamp": "2023-11-14T22:30:00.010Z",
        "time": "2023-11-14T22:30:00.010000000Z",
        "received_at": pytest.approx(1_700_001_000, abs=10),
        "device_id": f"mioty:{SENSOR}",
        "sensor": "volume",
        "value": 0.007,
        "unit": "m³",
        "metadata": {
            "quality": "good",
            "decoder": "water-meter@1.0",
            "id": f"{SENSOR}-7",
            "location": {"text": "Cellar"},
        },
    }


def test_the_examples_of_the_documentation_have_the_fields_of_the_messages(web: WebHouse) -> None:
    shown = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.S)]
    probe = subscribed(web, "device/+/telemetry/#")
    happen(web, heard(web, 7))
    message = next(each for each in probe.messages() if each.topic == VOLUME)
    told = [json.loads(message.payload), json.loads(gap("mioty", 1.0, 2.0, 3, "older than 1 h").payload)]
    assert [_fields(each) for each in shown] == [_fields(each) for each in told]


def _fields(value: object) -> object:
    """The names of the fields, and of their fields; of a place there are several forms."""
    if not isinstance(value, dict):
        return type(value).__name__
    return {name: _fields(each) if name != "location" else "" for name, each in value.items()}


def test_ids_and_names_cannot_break_a_topic() -> None:
    topic = telemetry_topic("f2:aa/J1/3", "a+b#/c%")
    assert topic == "device/f2:aa%2FJ1%2F3/telemetry/a%2Bb%23%2Fc%25"
    assert device_of_level(topic.split("/")[1], is_id=True) == "f2:aa/J1/3"


def test_a_device_behind_another_is_told_under_its_own_id() -> None:
    meter = Reading(name="volume", value=1.0, device="wmbus:X")
    decoded = Decoded(decoder="d@1", readings=(meter, Reading(name="battery", value=True)), warnings=("old",))
    telegram = Telegram(
        at=2.0,
        id="t",
        device="ble:AA",
        gateway="g",
        source="s",
        payload=b"",
        device_time=1.0,
        decoded=decoded,
    )
    told = list(Narrator("mioty", lambda eui: None).tell(telegram, lambda topic: True))
    assert [(each.topic, each.devices) for each in told] == [
        ("mioty/device/ble:AA/ul", ("ble:AA",)),
        ("device/wmbus:X/telemetry/volume", ("wmbus:X", "ble:AA")),
        ("device/ble:AA/telemetry/battery", ("ble:AA",)),
    ]
    body = json.loads(told[1].payload)
    assert body["timestamp"] == "1970-01-01T00:00:01.000Z"
    assert body["metadata"] == {"quality": "uncertain", "decoder": "d@1", "id": "t"}


def test_an_answer_to_an_older_command_is_told_where_older_installations_look() -> None:
    def topics(status: str, reply_to: str) -> list[str]:
        answer = CommandResponse(
            at=1.0,
            end_point_eui=EUI(SENSOR),
            command="attach",
            status=status,  # type: ignore[arg-type]
            reply_to=reply_to,
        )
        return [each.topic for each in Narrator("mioty", lambda eui: None).tell(answer, lambda topic: True)]

    usual, older = f"mioty/ep/{SENSOR}/response", f"mioty/EP/{SENSOR}/response"
    assert topics("done", older) == [usual, older]
    assert topics("received", older) == topics("done", "somewhere/else") == [usual]


def test_nothing_is_made_that_nobody_wants() -> None:
    narrator = Narrator("mioty", lambda eui: None)
    assert list(narrator.tell(uplink(), lambda topic: False)) == []
    assert list(narrator.tell(online(), lambda topic: False)) == []
