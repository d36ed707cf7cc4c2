"""Words for the states of what is connected to controllers."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.web.pins import pin_value

AT = "f2:0a1b2c3d4e5f/J2/"


@pytest.mark.parametrize(
    ("device", "name", "value", "shown"),
    [
        (AT + "door-sensors", "door-sensor-1", 0, "closed"),
        (AT + "door-sensors", "door-sensor-2", True, "open"),
        (AT + "strike-1", "status", 1, "on"),
        (AT + "siren-2", "status", 0.0, "off"),
        (AT + "motion-sensor-5", "status", 1, "motion"),
        (AT + "exit-buttons", "exit-button-1", 1, "pressed"),
        (AT + "strike-1", "status", 2, 2),
        (AT + "strike-1", "status", "on", "on"),
        (AT + "strike-1", "voltage", 1, 1),
        ("f2:0a1b2c3d4e5f/J1/3", "status", 1, 1),
        (AT + "reader-1", "status", 0, 0),
        ("ble:AA:BB:CC:DD:EE:FF", "door-sensor-1", 0, 0),
    ],
)
def test_states_of_known_components_have_words(device: str, name: str, value: Any, shown: Any) -> None:
    said = pin_value(device, name, value)
    assert (said, type(said)) == (shown, type(shown))
