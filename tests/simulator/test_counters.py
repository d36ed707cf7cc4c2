from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bssci.simulator.counters import keep, restore_counters
from bssci.simulator.sensor import SimulatedSensor


def sensors(*counters: int) -> list[SimulatedSensor]:
    return [
        SimulatedSensor(0xCAFE + number, Random(1), packet_counter=counter)
        for number, counter in enumerate(counters)
    ]


def test_counters_go_on_where_they_were(tmp_path: Path) -> None:
    file = tmp_path / "counters.json"
    before = sensors(7, 0xFFFFFFFF)
    before[0].transmit()
    keep(file, before)
    after = sensors(1, 2, 3)
    restore_counters(file, after)
    assert [sensor.packet_counter for sensor in after] == [8, 0xFFFFFFFF, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["counters.json"]


@pytest.mark.parametrize("text", [None, "{", "[]", '{"000000000000CAFE": "7"}', '{"000000000000CAFE": -1}'])
def test_a_file_that_is_none_says_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "counters.json"
    if text is not None:
        file.write_text(text)
    after = sensors(5)
    restore_counters(file, after)
    assert after[0].packet_counter == 0
