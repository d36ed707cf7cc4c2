"""Filters that a token grants, and whose messages it shows."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model import EUI, StationState
from tests.support.web import SENSOR, WebHouse
from tests.web.door.live_door import (
    OTHER,
    STATION,
    UPLINK,
    VOLUME,
    codes,
    happen,
    heard,
    live_token,
    subscribed,
    the_door,
    topics,
)


def test_a_filter_that_the_token_does_not_allow(web: WebHouse) -> None:
    token = live_token(web, topics=("device/+/telemetry/#",))
    assert codes(web, token, VOLUME, "device/+/telemetry/#", "#", "mioty/#", "device/#") == [
        1,
        1,
        128,
        128,
        128,
    ]
    assert the_door(web).ended["refused_filter"] == 3


@pytest.mark.parametrize("bound", [{"devices": (SENSOR,)}, {"tags": ("cellar",)}])
def test_a_token_for_some_devices(web: WebHouse, bound: dict[str, Any]) -> None:
    token = live_token(web, **bound)
    other = VOLUME.replace(SENSOR, OTHER)
    asked = ("#", VOLUME, other, f"mioty/ep/{OTHER}/ul", "mioty/bs/#", "device/+/telemetry/#")
    assert codes(web, token, *asked) == [1, 1, 128, 128, 128, 1]
    probe = subscribed(web, "#", token=token)
    happen(
        web,
        heard(web, 1),
        heard(web, 1, OTHER),
        StationState(at=web.now(), base_station_eui=EUI(STATION), state="online"),
    )
    told = topics(probe)
    assert UPLINK in told and VOLUME in told
    assert all(SENSOR in topic for topic in told)
