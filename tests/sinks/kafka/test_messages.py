from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bssci.model import (
    AlarmChange,
    Decoded,
    DecodeFailure,
    GatewayState,
    Reading,
    SensorWarning,
    Telegram,
)
from bssci.sinks.kafka.messages import decoded_messages, raw_message
from bssci.sinks.testing import every_event, unknown_event, uplink
from bssci.sources.envelopes.controller import controller_form
from bssci.sources.envelopes.values import Incoming
from tests.support.telegrams import telegram

ANSWER = "01 03 02 00 FA 38 07"
TOPIC = "tele/f2-001122aabbcc/sensor-mode/J1/sensor-3"
SAID = {"timestamp": "2023-05-25 15:13:10.543400", "data": ANSWER}


def of_a_controller() -> Telegram:
    from datetime import UTC

    message = Incoming(TOPIC, json.dumps(SAID).encode(), 1_700_000_000.0, "mqtt")
    [telegram] = controller_form(UTC).read(message, lambda remark: None)
    return telegram


def raw(event: Any) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    message = raw_message(event, "raw", "mioty")
    assert message.topic == "raw"
    return message.key.decode(), json.loads(message.value), dict(message.headers)


def with_readings(event: Any, *readings: Reading) -> Any:
    return msgspec.structs.replace(event, decoded=Decoded(decoder="d@1", readings=readings))


def test_a_controllers_message_is_as_a_bridge_writes_it() -> None:
    key, body, headers = raw(of_a_controller())
    assert key == "f2-001122aabbcc"
    assert body["original_topic"] == TOPIC
    assert body["device_id"] == "f2-001122aabbcc"
    assert body["payload"] == SAID
    assert body["timestamp"] == "2023-05-25T15:13:10.543400000Z"
    assert headers == {"id": of_a_controller().id.encode(), "kind": b"telegram"}


def test_a_clock_that_is_wrong_by_millions_of_years_is_passed_over() -> None:
    for wrong in ({"device_time": 1e300}, {"device_time": 1e300, "gateway_time": -1e15}):
        telegram = msgspec.structs.replace(of_a_controller(), **wrong)
        assert raw(telegram)[1]["timestamp"] == "2023-11-14T22:13:20.000000000Z"


def test_a_controllers_reading_is_as_the_processor_writes_it() -> None:
    event = with_readings(of_a_controller(), Reading("temperature", 25.0, "°C"))
    [message] = decoded_messages(event, "decoded")
    body = json.loads(message.value)
    assert message.key == b"f2:001122aabbcc/J1/3:temperature"
    assert {
        "device_id": "f2-001122aabbcc",
        "connector_mode": "sensor-mode",
        "component_type": "sensor",
        "pin_position": 3,
        "value": 25.0,
        "unit": "°C",
        "topic": TOPIC,
        "raw_data": "010302 00FA 3807".replace(" ", "").lower(),
        "timestamp": "2023-05-25T15:13:10.543400000Z",
    }.items() <= body.items()


@pytest.mark.parametrize("component", ["x-" + "1" * 5000, ["x"], "sensor-3"])
def test_members_of_another_sender_with_these_names_are_its_own(component: Any) -> None:
    envelope = {"component": component, "mode": {"a": 1}, "topic": 7}
    event = telegram(envelope=envelope)
    [message] = decoded_messages(with_readings(event, Reading("temperature", 25.0, "°C")), "decoded")
    body = json.loads(message.value)
    assert [body[name] for name in ("connector_mode", "component_type", "pin_position", "topic")] == [
        None, "temperature", None, None,
    ]  # fmt: skip
    assert raw(event)[1]["original_topic"] != 7


@pytest.mark.parametrize(
    ("component", "kind", "pin"),
    [("siren", "siren", None), ("-3", "-3", None), ("motion-sensor-1", "motion-sensor", 1)],
)
def test_a_component_has_a_pin_only_behind_its_kind(component: str, kind: str, pin: int | None) -> None:
    event = msgspec.structs.replace(of_a_controller(), envelope={"component": component})
    [message] = decoded_messages(with_readings(event, Reading("temperature", 25.0, "°C")), "decoded")
    body = json.loads(message.value)
    assert (body["component_type"], body["pin_position"]) == (kind, pin)


def test_clocks_and_signal_of_a_telegram_are_in_its_raw_message_where_they_are_known() -> None:
    known = {"device_time": 1_700_000_000.5, "gateway_time": 1_700_000_001.5, "rssi": -70}
    form = [telegram(**known), telegram(**dict.fromkeys(known))]
    assert [known.items() & raw(each)[1].items() for each in form] == [known.items(), set()]


def test_an_uplink_has_its_sensor_as_key_and_the_payload_of_mqtt() -> None:
    event = uplink(7)
    key, body, headers = raw(event)
    assert key == body["device_id"] == f"mioty:{event.end_point_eui}"
    assert body["original_topic"] == f"mioty/ep/{event.end_point_eui}/ul"
    assert body["payload"]["cnt"] == 7
    assert body["timestamp"] == body["payload"]["time"]
    assert headers == {"id": event.id.encode(), "kind": b"uplink"}


def test_an_event_has_the_topic_on_which_mqtt_publishes_it() -> None:
    topics = {body["kind"]: body["original_topic"] for _, body, _ in map(raw, every_event())}
    without = {kind for kind, topic in topics.items() if not topic}
    assert without == {"station-problem"}
    assert topics["station-state"].startswith("mioty/bs/") and topics["station-state"].endswith("/state")


def test_each_reading_is_a_message_whose_key_stays_the_same() -> None:
    event = with_readings(
        uplink(7), Reading("a", 1), Reading("b", True, None), Reading("c", "x", None, "ble:1")
    )
    messages = list(decoded_messages(event, "decoded"))
    device = f"mioty:{event.end_point_eui}"
    assert [each.key.decode() for each in messages] == [f"{device}:a", f"{device}:b", "ble:1:c"]
    bodies = [json.loads(each.value) for each in messages]
    assert [(each["value"], each["device_id"], each["component_type"]) for each in bodies] == [
        (1, device, "a"),
        (True, device, "b"),
        ("x", "ble:1", "c"),
    ]
    assert {each["id"] for each in bodies} == {event.id}


def test_without_readings_there_is_nothing_decoded() -> None:
    failed = Decoded(decoder="d@1", failure=DecodeFailure("too_short", "…"))
    assert list(decoded_messages(uplink(7), "decoded")) == []
    assert list(decoded_messages(msgspec.structs.replace(uplink(7), decoded=failed), "decoded")) == []


@pytest.mark.parametrize("event", every_event(), ids=lambda event: type(event).__name__)
def test_every_event_has_a_key_and_says_its_kind(event: Any) -> None:
    key, body, headers = raw(event)
    assert key and key == body["device_id"]
    assert headers["kind"].decode() == body["kind"]


def gateway_state(kind: str, gateway: str) -> GatewayState:
    return GatewayState(at=1.0, gateway=gateway, gateway_kind=kind, state="online", reason="")


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (gateway_state("scanner", "roof"), "scanner:roof"),
        (gateway_state("controller", "f2-001122aabbcc"), "f2-001122aabbcc"),
        (
            AlarmChange(
                at=1.0, id="sink-failing:mqtt", number=1, state="open", severity="error", text="x", since=1.0
            ),
            "alarm:sink-failing:mqtt",
        ),
        (unknown_event(), "kind-of-tomorrow"),
    ],
)
def test_an_event_of_nothing_else_has_a_key_of_its_own(event: Any, key: str) -> None:
    found, body, _ = raw(event)
    assert (found, body["device_id"]) == (key, key)


def test_an_event_of_a_sensor_has_the_sensors_key() -> None:
    [event] = [each for each in every_event() if isinstance(each, SensorWarning)]
    assert raw(event)[0] == f"mioty:{event.end_point_eui}"
