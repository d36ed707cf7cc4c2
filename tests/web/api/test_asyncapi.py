"""Everything that is published, held against the types that describe it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bssci.model import EUI, GatewayState, Sensor, StationState, Uplink
from bssci.mqtt import acmqtti, payloads
from bssci.mqtt.payload_types import PUBLISHED
from bssci.sinks.testing_events import AT, SENSOR, every_event, odd_events
from bssci.web.api.asyncapi import PAYLOADS, RECEIVED, SENT, asyncapi_document, schema_of
from bssci.web.door.messages import Narrator, gap
from tests.web.api.contracts import channel_of, faults, request_channel_of

DOCS = Path(__file__).parents[3] / "docs"
ODD = [*odd_events()[3:8], *odd_events()[9:]]
"""without levels and readings that are no numbers, which neither stations nor decoders get in"""
CENTER = EUI("0200000000000001")


def named(event: Any) -> str:
    """The name of an event's kind, and what tells it from others of its kind."""
    return f"{type(event).__name__}-{getattr(event, 'action', getattr(event, 'status', ''))}"


@pytest.mark.parametrize("replayed", [False, True], ids=["now", "replayed"])
@pytest.mark.parametrize("event", [*every_event(), *ODD], ids=named)
def test_every_event_is_published_as_described(event: Any, replayed: bool) -> None:
    if isinstance(event, StationState):
        message = payloads.station_state("mioty", event)
    else:
        found = payloads.message("mioty", event, replayed)
        if found is None:
            assert named(event).startswith("StationProblem") or (replayed and isinstance(event, GatewayState))
            return
        message = found
    channel = channel_of(message.topic)
    assert message.about is not None and message.about.schema == channel.schema
    assert faults(channel.schema, json.loads(message.payload)) == []
    assert channel.retained or not message.retain


@pytest.mark.parametrize("event", every_event(), ids=named)
def test_every_message_of_the_live_door_is_as_described(event: Any) -> None:
    def sensor_of(eui: EUI) -> Sensor:
        return Sensor(
            eui=eui, network_key=bytes(16), short_address=1, bidirectional=True, location={"lat": 1.5}
        )

    for telling in Narrator("mioty", sensor_of).tell(event, lambda topic: True):
        channel = channel_of(telling.topic)
        assert "live" in channel.servers
        assert faults(channel.schema, json.loads(telling.payload)) == []


def test_a_gap_is_as_described() -> None:
    for since in (0.0, AT):
        telling = gap("mioty", since, AT, 3, "older than 1 h")
        assert faults(channel_of(telling.topic).schema, json.loads(telling.payload)) == []


def test_uplinks_of_the_application_center_are_as_described() -> None:
    for event in (each for each in every_event() if isinstance(each, Uplink)):
        message = acmqtti.uplink("mioty", CENTER, event, None, replayed=True)
        assert channel_of(message.topic).schema == "acmqtti-uplink"
        assert faults("acmqtti-uplink", json.loads(message.payload)) == []


def test_a_payload_with_a_field_too_many_or_too_few_is_found() -> None:
    status = {"state": "online", "version": "1", "since": AT}
    assert faults("service-status", status) == []
    assert faults("service-status", status | {"colour": "red"}) != []
    assert faults("service-status", {"state": "online", "version": "1"}) != []
    assert faults("service-status", status | {"state": "asleep"}) != []


def test_every_topic_that_is_documented_is_described() -> None:
    text = (DOCS / "mqtt.md").read_text()
    published, requests = text.split("\n## Requests")
    for topic in re.findall(r"^### `\{BASE\}/(\S+)`", published, re.M):
        assert channel_of(f"mioty/{topic}").address == f"BASE/{topic.replace('{EUI}', '{eui}')}"
    for topic in re.findall(
        r"`\{BASE\}/([^`]+)`(?=.* - )", "\n".join(re.findall(r"^### .*$", requests, re.M))
    ):
        assert request_channel_of(f"mioty/{topic}").address == f"BASE/{topic.replace('{EUI}', '{eui}')}"


@pytest.mark.parametrize(
    ("topic", "request_body"),
    [
        ("cmd", "attach"),
        ("cmd", {"command": "attach", "ref": 42}),
        (
            "config",
            {"nwKey": "000102030405060708090A0B0C0D0E0F", "shortAddr": "0001", "bidi": True, "ref": "new"},
        ),
        ("dl", {"data": [1, 2, 3], "ref": "valve"}),
        ("dl", {"data": "0A0B", "prio": 2, "expires_in": 3600}),
        ("dl", {"data": {"base64": "AQI="}}),
        ("dl", {"data": [[1], [2]], "cnt": [101, 102]}),
        ("dl", {"revoke": 17, "ref": "not any more"}),
    ],
)
def test_requests_as_documented_are_as_described(topic: str, request_body: Any) -> None:
    assert faults(request_channel_of(f"mioty/ep/{SENSOR}/{topic}").schema, request_body) == []


def test_every_schema_has_a_channel_and_stands_alone() -> None:
    assert {each.schema for each in (*SENT, *RECEIVED)} == PAYLOADS.keys()
    assert set(payloads._SCHEMAS.values()) <= PUBLISHED.keys()
    for name in PAYLOADS:
        assert "#/components" not in json.dumps(schema_of(name))


def test_addresses_begin_with_the_base_topic_and_the_door_stands_behind_the_proxy() -> None:
    described = asyncapi_document("1.2.3", "plant/7", "/mioty")
    assert described["channels"]["ep_eui_ul"]["address"] == "plant/7/ep/{eui}/ul"
    assert described["channels"]["device_id_telemetry_name"]["address"] == "device/{id}/telemetry/{name}"
    assert described["servers"]["live"]["pathname"] == "/mioty/mqtt"
    for channel in described["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == channel.get("parameters", {}).keys()
