"""The web admin with a meter, for tests of the live stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.decoders import METER, follow, outside_with_decoders
from tests.support.web import WebHouse, sensor_entry


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse], tmp_path: Path) -> WebHouse:
    house = make_web_house(outside=outside_with_decoders(tmp_path / "decoders"), sensors=2)
    decoders = house.outside.decoders
    assert decoders is not None
    follow(decoders, house.center.sensors)
    # Its clock stands still, so that it must never wait for a later turn, however slow the machine is.
    decoders.decoding._seconds = lambda: 0.0
    changed = sensor_entry(typeEui=METER, tags=["cellar"], location={"text": "Cellar"})
    assert house.browser("operator").post("/api/sensors", changed).status == 200
    return house
