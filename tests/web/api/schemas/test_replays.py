from __future__ import annotations

import json
from typing import Any

import pytest

from bssci.web.api.schemas.replays import MAX_DEVICES, ReplayAsked
from bssci.web.http.errors import ApiError
from bssci.web.http.reading import read_struct

ASKED = {"sink": "mqtt", "from": 1.7e9, "to": 1.7e9 + 60}


def asked(**changes: Any) -> ReplayAsked:
    return read_struct(ReplayAsked, json.loads(json.dumps(ASKED | changes)))


def test_a_time_is_a_number_or_iso_8601_with_an_offset() -> None:
    assert asked(**{"from": "2023-11-14T22:13:20Z"}).from_ == asked().from_ == 1.7e9
    assert asked(to="2023-11-14T23:13:20+01:00").to == 1.7e9


def test_an_eui_is_that_of_a_sensor_and_no_device_is_named_twice() -> None:
    found = asked(devices=["70-B3-D5-67-70-11-00-01", "mioty:70B3D56770110001", "ble:AA:BB"]).devices
    assert list(found) in (
        ["mioty:70B3D56770110001", "ble:AA:BB"],
        ["mioty:70B3D56770110001"] * 2 + ["ble:AA:BB"],
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "2023-11-14T22:13:20"},
        {"to": -1},
        {"to": 1e12},
        {"devices": ["70B3"]},
        {"devices": ["ble:AA"] * (MAX_DEVICES + 1)},
        {"sinks": "mqtt"},
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        asked(**changes)
    assert caught.value.status == 422
