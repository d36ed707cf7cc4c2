"""bssci.stream.messages: a message for people and for programs."""

from __future__ import annotations

import json

from bssci.stream.messages import StreamMessage

READING = {
    "timestamp": "2026-11-28T12:00:00.000Z",
    "device_id": "mioty:70B3D56770110001",
    "sensor": "volume",
    "value": 12.3456789,
    "unit": "m³",
    "metadata": {"quality": "good"},
}


def told(body: object, topic: str = "device/d/telemetry/s") -> StreamMessage:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return StreamMessage(topic, payload, 5.0)


def test_a_reading_for_people() -> None:
    assert told(READING).sentence == "2026-11-28T12:00:00.000Z  mioty:70B3D56770110001  volume 12.3457 m³"
    assert told(READING | {"value": True, "unit": None}).sentence.endswith("volume yes")


def test_anything_else_for_people() -> None:
    assert (
        told({"state": "online"}, "mioty/service/status").sentence
        == 'mioty/service/status  {"state":"online"}'
    )
    assert told(b"\xff no JSON", "t").sentence == 't  "\N{REPLACEMENT CHARACTER} no JSON"'


def test_a_line_for_people_moves_no_cursor() -> None:
    moved = READING | {"value": "a\x1b[2J\x9bb", "unit": "\u202e", "sensor": "x\ny"}
    assert told(moved).sentence.endswith(r"x\u000ay a\u001b[2J\u009bb \u202e")
    assert told({"a": "\x9b"}, "t/\u202e").sentence == r't/\u202e  {"a":"\u009b"}'


def test_a_line_for_programs() -> None:
    line = json.loads(told(READING).line)
    assert line == {
        "topic": "device/d/telemetry/s",
        "received_at": 5.0,
        "retained": False,
        "payload": READING,
    }


def test_the_same_message_has_the_same_key() -> None:
    assert told(READING).key == StreamMessage("device/d/telemetry/s", told(READING).payload, 9.0, True).key
    assert told(READING).key != told(READING, "other").key
