"""A record of the sink gives the same telegram again; one of a bridge is read as if it had come by MQTT."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec
import pytest

from bssci.center.decoding.payloads import payload_of
from bssci.model import Decoded, Reading, Telegram
from bssci.sinks.kafka.messages import raw_message
from bssci.sinks.testing import every_event, uplink
from bssci.sources.envelopes import scanner
from bssci.sources.envelopes.controller import controller_form
from bssci.sources.envelopes.rules import parse_rules, rule_form
from bssci.sources.envelopes.values import BadMessage, Incoming
from bssci.sources.kafka.records import LARGEST, read_record
from tests.support.telegrams import advertisement

AT = 1_700_000_000.0
PLACE = "energy/meter-7"
FORMS = (controller_form(UTC), *scanner.FORMS)


def read(value: Any) -> list[Telegram]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_record(data, PLACE, AT, "kafka", "partition 0, offset 7", FORMS, lambda remark: None)


def through(event: Any) -> list[Telegram]:
    return read(raw_message(event, "raw", "mioty").value)


def test_an_uplink_is_a_telegram_of_its_sensor_with_the_same_id() -> None:
    event = uplink(7, payload=b"\1\2")
    event = msgspec.structs.replace(event, decoded=Decoded(decoder="d@1", readings=(Reading("a", 1),)))
    [telegram] = through(event)
    assert (telegram.id, telegram.device) == (event.id, f"mioty:{event.end_point_eui}")
    assert telegram.gateway == event.best.base_station_eui
    assert telegram.gateway_time == pytest.approx(event.best.rx_time / 1e9)
    assert (telegram.at, telegram.source) == (AT, "kafka")
    assert telegram.envelope["cnt"] == 7
    assert "components" not in telegram.envelope, "it is decoded anew"
    payload = payload_of(telegram, None)
    assert (payload.data, payload.format) == (b"\1\2", event.best.format)


@pytest.mark.parametrize("event", [each for each in every_event() if isinstance(each, Telegram)])
def test_a_telegram_is_the_same_again(event: Telegram) -> None:
    [telegram] = through(event)
    same = msgspec.structs.replace(telegram, at=event.at, source=event.source)
    envelope = msgspec.json.decode(msgspec.json.encode(event.envelope))
    assert same == msgspec.structs.replace(event, decoded=None, envelope=envelope)


def test_other_events_are_no_telegrams() -> None:
    others = [each for each in every_event() if type(each).__name__ not in ("Uplink", "Telegram")]
    assert others
    assert [through(each) for each in others] == [[]] * len(others)


@pytest.mark.parametrize("writes", [lambda payload: payload, json.loads])
def test_what_comes_by_mqtt_and_by_a_bridge_is_one_message(writes: Callable[[str], Any]) -> None:
    for topic, payload in [
        (
            "tele/f2-001122aabbcc/sensor-mode/J1/sensor-3",
            '{ "timestamp": "2023-05-25 15:13:10", "v": 20.50 }',
        ),
        ("bt/raw/roof", json.dumps(advertisement(1), indent=1)),
        ("bt/scanner/roof/status", '{"status": "online", "timestamp": "2023-05-25T15:13:10Z"}'),
    ]:
        form = next(each for each in FORMS if each.matches(topic.split("/")))
        [first] = form.read(Incoming(topic, payload.encode(), AT, "mqtt", "7"), pytest.fail)
        [again] = read({"original_topic": topic, "device_id": "x", "payload": writes(payload)})
        assert again.id == first.id


def test_a_bridge_from_mqtt_is_read_by_topic_and_payload() -> None:
    topic = "tele/f2-001122aabbcc/sensor-mode/J1/sensor-3"
    said = {"timestamp": "2023-05-25 15:13:10.543400", "data": "01 03 02 00 FA 38 07"}
    [telegram] = read(
        {"original_topic": topic, "device_id": "f2-001122aabbcc", "payload": said, "timestamp": 1}
    )
    assert telegram.device == "f2:001122aabbcc/J1/3"
    assert telegram.payload == bytes.fromhex("01030200FA3807")
    [again] = read({"original_topic": topic, "payload": json.dumps(said)})
    assert again.device == telegram.device


def test_a_bridge_of_advertisements_is_read_too() -> None:
    [telegram] = read({"original_topic": "bt-mqtt/raw/roof", "payload": advertisement()})
    assert telegram.device.startswith("ble:") and telegram.gateway == "roof"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"no", "not JSON"),
        (b"[]", "not a JSON object"),
        (b" " * (LARGEST + 1), "larger than"),
        ({}, "no original_topic"),
        ({"original_topic": "a/b"}, "no payload"),
        ({"original_topic": "a/b", "payload": {}}, "no form of messages fits"),
        ({"kind": "uplink"}, "no payload"),
        ({"kind": "uplink", "payload": {}, "device_id": "mioty:1"}, "no id"),
        (
            {"kind": "uplink", "payload": {"id": "1", "bs_eui": "2"}, "device_id": "mioty:1"},
            "not a list of bytes",
        ),
        (
            {"kind": "uplink", "payload": {"id": "1", "bs_eui": "2", "data": [256]}, "device_id": "mioty:1"},
            "not a list of bytes",
        ),
        ({"kind": "telegram", "payload": {}, "id": "1"}, "not hexadecimal"),
        ({"kind": "telegram", "payload": {}, "data": "00"}, "no id"),
    ],
)
def test_what_is_neither_is_refused_with_a_reason(value: Any, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        read(value)


RULE = '[{"topic": "energy/{device}", "kind": "meter", "time": "at", "values": {"energy": "kwh"}}]'
BRIDGED = '[{"topic": "plant/{device}/state", "kind": "plant", "values": "*"}]'


def by_rule(rules: str, body: Any) -> list[Telegram]:
    forms = (*(rule_form(rule, UTC) for rule in parse_rules(rules)), *FORMS)
    data = json.dumps(body).encode()
    return read_record(data, PLACE, AT, "kafka", "partition 0, offset 7", forms, lambda remark: None)


def test_a_record_of_another_form_is_read_by_its_rule() -> None:
    [telegram] = by_rule(RULE, {"at": AT - 5, "kwh": 12.5, "kind": "of a form of its own"})
    assert (telegram.device, telegram.device_time) == ("meter:meter-7", AT - 5)
    assert payload_of(telegram, None).envelope["message"]["kwh"] == 12.5


def test_a_rule_is_held_against_the_topic_of_a_bridge() -> None:
    [telegram] = by_rule(BRIDGED, {"original_topic": "plant/fern/state", "payload": {"level": 3}})
    assert telegram.device == "plant:fern"


UPLINK = {"kind": "uplink", "device_id": "mioty:70B3D56770110001"}


@pytest.mark.parametrize("data", [1 << 40, 10**400, {"1": 1}, "00", None])
def test_a_number_in_place_of_the_bytes_makes_no_zeros(data: Any) -> None:
    with pytest.raises(BadMessage, match="data is not a list of bytes"):
        read(UPLINK | {"payload": {"id": "a", "bs_eui": "b", "data": data}})


def test_numbers_that_no_float_holds_are_left_out() -> None:
    payload = {"id": "a", "bs_eui": "b", "data": [1], "rssi": 10**400, "baseStations": [{"rxTime": 10**400}]}
    [telegram] = read(UPLINK | {"payload": payload})
    assert (telegram.rssi, telegram.gateway_time, telegram.payload) == (None, None, b"\1")
