"""A device with a JSON topic needs no code: a rule says where everything is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.sources.envelopes.rules import parse_rules, rule_form
from bssci.sources.envelopes.values import BadMessage, Incoming
from tests.support.telegrams import AT, as_json


def read(rule: dict[str, Any], topic: str, body: Any, **changes: Any):
    [parsed] = parse_rules(json.dumps([rule]))
    form = rule_form(parsed)
    assert form.matches(topic.split("/"))
    payload = body if isinstance(body, bytes) else as_json(body)
    [telegram] = form.read(Incoming(topic, payload, AT, "mqtt", **changes), lambda remark: None)
    return telegram


def test_values_of_a_device_that_the_topic_names() -> None:
    rule = {
        "topic": "zigbee/{device}", "kind": "zigbee", "time": "last_seen",
        "values": {"temperature": "t.now", "battery": {"path": "bat", "unit": "%"}, "gone": "nowhere"},
    }  # fmt: skip
    body = {"last_seen": "2023-11-14T22:13:20Z", "t": {"now": 20.5}, "bat": 90}
    telegram = read(rule, "zigbee/living room", body)
    assert (telegram.device, telegram.gateway, telegram.device_time) == ("zigbee:living_room", "mqtt", AT)
    assert telegram.envelope["values"] == [["temperature", 20.5, None], ["battery", 90, "%"]]
    assert telegram.payload == as_json(body) and telegram.envelope["message"] == body


def test_a_value_that_is_no_number_costs_itself() -> None:
    telegram = read({"topic": "a/{device}", "values": "*"}, "a/x", b'{"t": NaN, "h": 40}')
    assert telegram.envelope["values"] == [["h", 40, None]]


def test_everything_plain_is_a_value_if_the_rule_says_all() -> None:
    telegram = read({"topic": "a/{device}/+", "values": "*"}, "a/x/y", {"t": 1, "on": True, "list": [1]})
    assert telegram.envelope["values"] == [["t", 1, None], ["on", True, None]]
    assert read({"topic": "a/{device}", "values": "*"}, "a/x", b"21.5").envelope["values"] == [
        ["value", 21.5, None]
    ]


@pytest.mark.parametrize(
    ("encoding", "written"), [("hex", "01:fe"), ("base64", "Af4="), ("text", "\1\xfe"), ("hex", [1, 254])]
)
def test_a_payload_in_any_encoding(encoding: str, written: Any) -> None:
    rule = {"topic": "up/#", "device": "end.dev_eui", "gateway": "gw", "payload": "p", "encoding": encoding}
    telegram = read(rule, "up/x/y", {"end": {"dev_eui": "70b3"}, "gw": 7, "p": written})
    assert (telegram.device, telegram.gateway) == ("mqtt:70b3", "7")
    assert telegram.payload == ("\1\xfe".encode() if encoding == "text" else b"\1\xfe")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        ({"p": "zz", "d": "x"}, "another encoding"),
        ({"d": "x"}, "no payload where the rule says"),
        ({"d": "x", "p": [1000]}, "not a list of bytes"),
        ({"p": "01"}, "no device where the rule says"),
        ({"p": "01", "d": {}}, "no device where the rule says"),
        ({"p": "01", "d": "x", "more": "y" * 70_000}, "larger than"),
    ],
)
def test_messages_that_the_rule_does_not_fit(body: Any, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        read({"topic": "t", "device": "d", "payload": "p"}, "t", body)


def test_messages_without_a_time_are_told_apart_by_their_delivery() -> None:
    rule = {"topic": "a/{device}", "values": "*"}
    assert read(rule, "a/x", {"t": 1}, delivery="1").id != read(rule, "a/x", {"t": 1}, delivery="2").id
    rule |= {"time": "at"}
    body = {"t": 1, "at": AT}
    assert read(rule, "a/x", body, delivery="1").id == read(rule, "a/x", body, delivery="2").id


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "topic"),
        ({"topic": ""}, "topic"),
        ({"topic": "a/b{device}"}, "whole level"),
        ({"topic": "a/{device}/{device}"}, "each at most once"),
        ({"topic": "a/{other}", "device": "d"}, "the names in braces are"),
        ({"topic": "a/#/b", "device": "d"}, "# the last"),
        ({"topic": "a+", "device": "d"}, "whole levels"),
        ({"topic": "a"}, "device: a path"),
        ({"topic": "a", "device": "d", "kind": "mioty"}, "kind"),
        ({"topic": "a", "device": "d", "kind": "A B"}, "kind"),
        ({"topic": "a", "device": "d", "encoding": "rot13"}, "encoding"),
        ({"topic": "a", "device": "d", "values": "some"}, "values"),
        ({"topic": "a", "device": "d", "values": {"t": "a b"}}, "not a path"),
        ({"topic": "a", "device": "d", "unknown": 1}, "unknown"),
    ],
)
def test_rules_that_are_none(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rules(json.dumps([rule]))


def test_other_topics_are_another_rules() -> None:
    [rule] = parse_rules('[{"topic": "a/{device}/x"}]')
    form = rule_form(rule)
    for topic in ("a/b", "a/b/y", "b/b/x", "a/b/x/y"):
        assert not form.matches(topic.split("/"))
    assert rule.filter == "a/+/x" and parse_rules("  ") == ()
