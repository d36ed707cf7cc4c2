"""Controllers' messages as telegrams of the place that they are about."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bssci.sources.envelopes.controller import controller_form, read_hex
from bssci.sources.envelopes.values import BadMessage, Incoming
from tests.support.telegrams import AT, as_json

FORM = controller_form(ZoneInfo("Europe/Berlin"))
TELE = "tele/f2-0a1b2c3d4e5f/sensor-mode/J1/sensor-3"
BODY = {"timestamp": "2023-11-14 23:13:20.000000", "data": "01 03 02 00 C8 B9 D2"}


def read(topic: str = TELE, body: Any = BODY, **changes: Any):
    payload = body if isinstance(body, bytes) else as_json(body)
    remarks: list[str] = []
    assert FORM.matches(topic.split("/"))
    [telegram] = FORM.read(Incoming(topic, payload, AT, "mqtt", **changes), remarks.append)
    return telegram, remarks


def test_an_answer_of_a_sensor_is_bytes_at_its_pin_in_its_own_time() -> None:
    telegram, remarks = read()
    assert (telegram.device, telegram.gateway) == ("f2:0a1b2c3d4e5f/J1/3", "f2-0a1b2c3d4e5f")
    assert telegram.payload == bytes.fromhex("01030200C8B9D2")
    assert telegram.device_time == AT and remarks == []
    assert telegram.envelope == {
        "topic": TELE, "direction": "tele", "mode": "sensor-mode", "connector": "J1",
        "component": "sensor-3", "payload": BODY,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "device"),
    [
        ("stat/f2-0a1b2c3d4e5f/access-control-mode/J2/strike-1", "f2:0a1b2c3d4e5f/J2/strike-1"),
        ("stat/f2-0a1b2c3d4e5f/access-control-mode/J2/door-sensors", "f2:0a1b2c3d4e5f/J2/door-sensors"),
        ("cmnd/f2-0a1b2c3d4e5f/access-control-mode/J2/reader-1/success", "f2:0a1b2c3d4e5f/J2/reader-1"),
        ("stat/f2-0A1B2C3D4E5F/alarm-mode/J4/siren-2", "f2:0a1b2c3d4e5f/J4/siren-2"),
        ("stat/F2-0a:1b:2c:3d:4e:5f/alarm-mode/J4/siren-2", "f2:0a1b2c3d4e5f/J4/siren-2"),
    ],
)
def test_the_place_in_every_mode_and_spelling(topic: str, device: str) -> None:
    body = {"timestamp": "2023-11-14 23:13:20", "status": 1}
    telegram, _ = read(topic, body)
    assert telegram.device == device and telegram.payload == as_json(body)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("tele/f2-0a1b2c3d4e5f/sensor-mode/J1", "wrong number of levels"),
        ("tele/f2-0a1b2c3d4e5f/sensor-mode/J1/a/b/c", "wrong number of levels"),
        ("tele/f2-0a1b2c3d4e/sensor-mode/J1/sensor-1", "12 hexadecimal digits"),
        ("tele/f2-0a1b2c3d4e5f/sensor-mode/X1/sensor-1", "without a connector"),
        ("tele/f2-0a1b2c3d4e5f/sensor-mode/J1/", "not a name"),
        ("tele/f2-0a1b2c3d4e5f//J1/sensor-1", "not a name"),
    ],
)
def test_topics_that_are_none(topic: str, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        read(topic)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"on", "not JSON"), ([], "not a JSON object"), ({"x": "y" * 11_000}, "10 KB or larger")],
)
def test_bodies_that_are_none(body: Any, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        read(body=body)


def test_a_wrong_time_costs_itself() -> None:
    telegram, remarks = read(body=BODY | {"timestamp": "2043-01-01 00:00:00"})
    assert remarks == ["a time in the future"]
    assert read(body=BODY | {"timestamp": "soon"})[1] == ["a time that cannot be read"]


def test_equal_commands_are_two_and_a_repeated_answer_is_one() -> None:
    topic, body = "cmnd/f2-0a1b2c3d4e5f/access-control-mode/J2/strike-1", {"power-flag": 1, "period": 5}
    assert read(topic, body, delivery="1")[0].id != read(topic, body, delivery="2")[0].id
    assert read(delivery="1")[0].id == read(delivery="2")[0].id


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("01 03 0C", b"\1\3\x0c"),
        ("01030c", b"\1\3\x0c"),
        ("01:03", b"\1\3"),
        ("card 7", None),
        ("1", None),
        (7, None),
    ],
)
def test_hex_in_every_spelling(text: object, data: bytes | None) -> None:
    assert read_hex(text) == data
