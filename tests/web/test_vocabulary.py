"""One vocabulary: a fact has the same name and the same form by MQTT, live stream, HTTP and webhook.

The four ways out are compared field by field for an event of each kind. What an older contract calls
otherwise is written down here, and in docs/mqtt.md, with the name that is to be used.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bssci.model import StationState, Telegram, Uplink, VariableMacUplink
from bssci.model.event_json import kind_of
from bssci.mqtt import payloads
from bssci.sinks.json_events import encode_batch
from bssci.sinks.testing_events import every_event
from bssci.web.api.schemas.uplinks import UplinkEntry
from bssci.web.door.messages import Narrator
from bssci.web.live.event_json import event_dict, uplink_dict

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "mqtt.md"
EUI = re.compile(r"[0-9A-F]{16}")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
ALWAYS = {"timestamp"}
OLDER = {"base_station_eui": "bs_eui", "device": "device_id"}
"""names that stay beside the one that is to be used"""
RECEPTIONS = "baseStations"
"""of which the API tells more: when each came, and what is not known as null"""
NAMES_OF_PEOPLE = {"name"}
"""a gateway without name has null by MQTT and an empty text elsewhere"""
EVENTS = every_event()


def named(event: Any) -> str:
    """The name of an event's kind, and what tells it from others of its kind."""
    return f"{kind_of(event)}-{getattr(event, 'action', getattr(event, 'status', ''))}"


def ways(event: Any) -> dict[str, dict[str, Any]]:
    """What each way out says of an event."""
    said = {
        "API": json.loads(msgspec.json.encode(event_dict(1, event))),
        "webhook": json.loads(encode_batch([event], frozenset()).events[0].json),
    }
    published = (
        payloads.station_state("mioty", event)
        if isinstance(event, StationState)
        else payloads.message("mioty", event)
    )
    if published is not None:
        said["MQTT"] = json.loads(published.payload)
        for telling in Narrator("mioty", lambda eui: None).tell(
            event, lambda topic: topic == published.topic
        ):
            said["live stream"] = json.loads(telling.payload)
    return said


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_what_several_say_they_say_alike(event: Any) -> None:
    said = ways(event)
    for name in {name for each in said.values() for name in each} - NAMES_OF_PEOPLE - {RECEPTIONS}:
        values = {way: each[name] for way, each in said.items() if each.get(name) is not None}
        assert len({json.dumps(value, sort_keys=True) for value in values.values()}) <= 1, (name, values)
    if RECEPTIONS in said["API"]:
        for told, published in zip(said["API"][RECEPTIONS], said["MQTT"][RECEPTIONS], strict=True):
            assert published.items() <= told.items()


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_nobody_misses_what_another_says(event: Any) -> None:
    said = ways(event)
    published = said.pop("MQTT", {})
    assert said.pop("live stream", published) == published
    for way, each in said.items():
        missing = {name for name, value in published.items() if value is not None} - each.keys()
        assert missing - _result_of(event) - {"wmbus"} == set(), way


def _result_of(event: Any) -> set[str]:
    """The fields of a request's result: beside the answer's by MQTT, below ``result`` elsewhere."""
    return set(getattr(event, "result", {}))


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_euis_times_and_bytes_have_one_form(event: Any) -> None:
    for way, said in ways(event).items():
        assert said.keys() >= ALWAYS, way
        assert isinstance(said["timestamp"], float | int), way
        if kind_of(event) != "station-status":  # whose time is its own clock's, in ns
            assert ISO.fullmatch(said["time"]), way
            assert datetime.fromisoformat(said["time"].replace("Z", "+00:00")).timestamp() > 0
        for name in ("sensor_eui", "bs_eui"):
            assert said.get(name) is None or EUI.fullmatch(said[name]), (way, name)
        if getattr(event, "end_point_eui", None):
            assert said["device_id"] == f"mioty:{said['sensor_eui']}", way
        for old, new in OLDER.items():
            assert said.get(old) is None or said[old] == said[new], (way, old)
        if isinstance(event, Uplink | Telegram | VariableMacUplink):
            assert bytes(said["data"]) == bytes.fromhex(said["dataHex"]), way


@pytest.mark.parametrize("event", [each for each in EVENTS if isinstance(each, Uplink | Telegram)], ids=named)
def test_a_reading_of_the_live_stream_is_found_again_elsewhere(event: Any) -> None:
    published = payloads.message("mioty", event)
    assert published is not None
    whole = json.loads(published.payload)
    for telling in Narrator("mioty", lambda eui: None).tell(event, lambda topic: "telemetry" in topic):
        told = json.loads(telling.payload)
        same = told["device_id"] == whole["device_id"]
        component = whole["components"][told["sensor"] if same else f"{told['device_id']}/{told['sensor']}"]
        assert (component["value"], component.get("unit")) == (told["value"], told["unit"])
        assert (told["metadata"]["decoder"], told["metadata"]["id"]) == (whole["decoder"], whole["id"])
        assert ISO.fullmatch(told["time"]) and told["timestamp"] == told["time"][:23] + "Z"
        assert told["received_at"] == whole.get("received_at", whole["timestamp"])


def test_a_stored_uplink_is_described_with_the_same_names() -> None:
    [event] = [each for each in EVENTS if isinstance(each, Uplink)][:1]
    described = {field.encode_name for field in msgspec.structs.fields(UplinkEntry)}
    decoded = {"components", "decoder", "decodeError", "decodeWarnings"}
    assert uplink_dict(event).keys() - decoded <= described


def test_the_document_says_which_name_is_to_be_used() -> None:
    text = DOCUMENT.read_text().partition("\n## Names\n")[2].partition("\n## ")[0]
    for old, new in OLDER.items():
        assert re.search(rf"`{new}`.*`{old}`", text), old
