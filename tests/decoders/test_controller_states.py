"""States of controllers' components, and the parameters that older installations have of them."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.decoders.controller_states import ControllerDecoder
from bssci.decoders.interfaces import DecodeError, Payload
from tests.support.controllers import MAC, modbus

DECODER = ControllerDecoder()


def heard(direction: str, mode: str, component: str, octets: bytes = b"{}", /, **body: Any) -> Payload:
    envelope = {"direction": direction, "mode": mode, "component": component, "payload": body}
    return Payload(
        data=octets, kind="telegram", device=f"f2:{MAC}/J1/{component}", received_at=1.0, envelope=envelope
    )


def read(payload: Payload, *components: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = DECODER.decode(payload, {"components": list(components)})
    return [(each.name, each.value, each.unit) for each in found]


def test_every_member_of_a_state_is_a_reading() -> None:
    doors = heard("stat", "access-control-mode", "door-sensors", timestamp="x",
                  **{"door-sensor-1": 1, "door-sensor-2": 0})  # fmt: skip
    assert DECODER.matches(doors)
    assert read(doors) == [("door-sensor-1", 1, None), ("door-sensor-2", 0, None)]
    assert not DECODER.matches(heard("tele", "sensor-mode", "sensor-1"))
    assert read(heard("cmnd", "alarm-mode", "siren-1", status=1)) == []


def test_the_entry_with_its_number_comes_before_the_one_without() -> None:
    any_sensor = {"mode": "sensor-mode", "component": "sensor", "number": None, "encoding": "hex_to_float"}
    third = any_sensor | {"number": 3, "unit": "°C", "scale": 0.1, "name": "temperature"}
    data = bytes.fromhex(modbus("01 03 02 00 EB"))
    assert read(heard("tele", "sensor-mode", "sensor-3", data), any_sensor, third) == [
        ("temperature", 23.5, "°C")
    ]
    assert read(heard("tele", "sensor-mode", "sensor-4", data), any_sensor, third) == [("value", 235.0, None)]
    assert read(heard("tele", "sensor-mode", "sensor-4", b"\1\0"), any_sensor) == [("value", 256.0, None)]


@pytest.mark.parametrize(
    ("encoding", "body", "readings"),
    [
        ("boolean", {"status": "open"}, [("status", True, None)]),
        ("boolean", {"status": 0}, [("status", False, None)]),
        ("boolean_map", {"timestamp": "x", "a": 1, "b": False}, [("a", True, None), ("b", False, None)]),
        ("raw_string", {"data": "CARD 7"}, [("text", "CARD 7", None)]),
    ],
)
def test_each_encoding_of_a_state_is_read(encoding: str, body: dict[str, Any], readings: list[Any]) -> None:
    how = {"mode": "alarm-mode", "component": "siren", "encoding": encoding}
    assert read(heard("stat", "alarm-mode", "siren-1", **body), how) == readings


@pytest.mark.parametrize(
    ("encoding", "data", "body", "code"),
    [
        ("boolean", b"{}", {"status": "perhaps"}, "no_boolean"),
        ("boolean", b"{}", {}, "no_value"),
        ("magic", b"{}", {"status": 1}, "no_encoding"),
        ("hex_to_float", bytes.fromhex("01 03 02 00 EB 00 00"), {}, "checksum"),
        ("hex_to_float", bytes(9), {}, "too_long"),
        ("hex_to_float", bytes.fromhex(modbus("01 83 02")), {}, "modbus_error"),
        ("hex_to_float", bytes.fromhex(modbus("01 06 00 05 00 EB")), {}, "no_value"),
        ("hex_to_float", b'{"a":1}', {"a": 1}, "no_value"),
    ],
)
def test_what_cannot_be_read(encoding: str, data: bytes, body: dict[str, Any], code: str) -> None:
    how = {"mode": "sensor-mode", "component": "sensor", "encoding": encoding}
    with pytest.raises(DecodeError) as raised:
        read(heard("tele", "sensor-mode", "sensor-1", data, **body), how)
    assert raised.value.code == code


def test_telemetry_that_nothing_describes() -> None:
    with pytest.raises(DecodeError, match="nothing says how to read sensor-1"):
        read(heard("tele", "sensor-mode", "sensor-1"))
