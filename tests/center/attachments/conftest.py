from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.stations.air_house import STATIONS, AirHouse


@pytest.fixture
def house(tmp_path: Path, whole_service: None) -> Iterator[AirHouse]:
    with closing(AirHouse(tmp_path)) as house:
        yield house


@pytest.fixture
def connected(house: AirHouse) -> AirHouse:
    for eui in STATIONS:
        house.connect(eui)
    return house
