"""Scanners' messages as telegrams; each odd one in plain words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bssci.sources.envelopes import scanner
from bssci.sources.envelopes.values import BadMessage, Incoming
from tests.support.telegrams import ADDRESS, AT, advertisement, as_json

RAW, STATUS = "bt-mqtt/raw/roof", "bt-mqtt/scanner/roof/status"


def read(body: Any, topic: str = RAW, **changes: Any):
    payload = body if isinstance(body, bytes) else as_json(body)
    remarks: list[str] = []
    form = next(form for form in scanner.FORMS if form.matches(topic.split("/")))
    [telegram] = form.read(Incoming(topic, payload, AT, "mqtt", **changes), remarks.append)
    return telegram, remarks


def test_an_advertisement_is_a_telegram_of_its_device() -> None:
    body = advertisement(raw_data=base64.b64encode(b"\2\1\6").decode())
    telegram, remarks = read(body)
    assert (telegram.device, telegram.gateway, telegram.source) == (f"ble:{ADDRESS}", "roof", "mqtt")
    assert (telegram.at, telegram.rssi, telegram.payload) == (AT, -71.0, b"\2\1\6")
    assert telegram.gateway_time == pytest.approx(1_699_999_200.0)
    assert telegram.envelope == body and remarks == []


def test_its_id_is_the_same_at_each_delivery_and_for_no_other() -> None:
    first = read(advertisement(1))[0].id
    assert read(advertisement(1), delivery="77")[0].id == first
    assert read(advertisement(2))[0].id != first
    assert read(advertisement(1), topic="bt-mqtt/raw/cellar")[0].id != first


@pytest.mark.parametrize(
    "text", ["a4:c1:38:00:00:01", "A4-C1-38-00-00-01", "a4c138000001", "A4C1.3800.0001", " A4C138000001 "]
)
def test_an_address_in_every_spelling_is_one_device(text: str) -> None:
    assert read(advertisement(device={"address": text}))[0].device == f"ble:{ADDRESS}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 1000 + b"]" * 1000, "JSON nested too deeply"),
        (b"[]", "not a JSON object"),
        (advertisement(version="2.0"), "another version than 1"),
        (advertisement(version=1), "another version than 1"),
        (advertisement(device=None), "no device"),
        (advertisement(device={"address": "A4:C1:38"}), "not a hardware address"),
        (advertisement(device={"address": 7}), "not a hardware address"),
        (advertisement(more="x" * 11_000), "10 KB or larger"),
    ],
)
def test_what_cannot_be_read_says_why(body: Any, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        read(body)


def test_another_minor_version_is_accepted() -> None:
    assert read(advertisement(version="1.7"))[1] == []


@pytest.mark.parametrize(
    ("changes", "remarks"),
    [
        ({"device": {"address": ADDRESS, "rssi": 127}}, ["an RSSI of 127, which stands for unknown"]),
        ({"device": {"address": ADDRESS}}, []),
        ({"device": {"address": ADDRESS, "rssi": "loud"}}, ["an invalid RSSI"]),
        ({"device": {"address": ADDRESS, "rssi": 400}}, ["an invalid RSSI"]),
        ({"raw_data": "!"}, ["raw_data is not base64"]),
        ({"raw_data": 7}, ["raw_data is not base64"]),
        ({"service_data": {"0xfcd2": "!"}}, ["service_data is not base64"]),
        ({"manufacturer_data": {"0x004c": 7}}, ["manufacturer_data is not base64"]),
        ({"manufacturer_data": ["AA=="]}, ["manufacturer_data is not base64"]),
        ({"timestamp": "2023-11-14T22:00:00"}, ["a time without zone"]),
        ({"timestamp": "2033-11-14T22:00:00Z"}, ["a time in the future"]),
        ({"timestamp": "yesterday"}, ["a time that cannot be read"]),
    ],
)
def test_what_is_odd_is_said_and_the_message_taken(changes: dict[str, Any], remarks: list[str]) -> None:
    telegram, said = read(advertisement(**changes))
    assert said == remarks
    if "device" in changes:
        assert telegram.rssi is None


def test_a_status_is_a_report_of_the_scanner_itself() -> None:
    body = {"version": "1.0", "timestamp": "2023-11-14T22:00:00Z", "scanner_id": "roof", "status": "online"}
    telegram, _ = read(body, STATUS)
    assert (telegram.device, telegram.gateway, telegram.envelope) == (
        "scanner:roof",
        "roof",
        body | {"topic": STATUS},
    )
    with pytest.raises(BadMessage, match="no status"):
        read({"version": "1.0"}, STATUS)


@pytest.mark.parametrize("retained", [True, False])
def test_a_status_tells_whether_the_broker_had_kept_it(retained: bool) -> None:
    telegram, _ = read({"status": "online"}, STATUS, retained=retained)
    assert telegram.envelope["retained"] is retained


def test_a_last_will_is_another_one_each_time_that_it_is_published() -> None:
    def id_of(status: str, delivery: str) -> str:
        body = {"status": status, "timestamp": "2023-11-14T22:00:00Z"}
        id: str = read(body, STATUS, delivery=delivery)[0].id
        return id

    assert id_of("offline", "1") != id_of("offline", "2")
    assert id_of("offline", "1") == id_of("offline", "1")
    assert id_of("online", "1") == id_of("online", "2")


def test_topics_are_known_behind_any_prefix() -> None:
    assert scanner.is_advertisement(["a", "b", "raw", "roof"])
    assert not scanner.is_advertisement(["raw"])
    assert scanner.is_status(["x", "scanner", "roof", "status"])
    assert not scanner.is_status(["scanner", "status"])
