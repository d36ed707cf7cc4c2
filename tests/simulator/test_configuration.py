"""Sensors to simulate: written, read again, generated."""

from __future__ import annotations

import json
from pathlib import Path

from bssci.simulator.configuration import write_sensors
from bssci.simulator.station_options import station_plan_from
from tests.simulator.simulation import parse


def test_written_sensors_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    plan = station_plan_from(parse("--sensors", "3"))
    write_sensors(file, plan.sensors)
    assert json.loads(file.read_text())[0].keys() == {"eui", "nwKey", "shortAddr", "bidi", "name"}
    again = station_plan_from(parse("--sensor-config", str(file)))
    assert [
        (sensor.eui, sensor.network_key, sensor.short_address, sensor.bidirectional)
        for sensor in again.sensors
    ] == [
        (sensor.eui, sensor.network_key, sensor.short_address, sensor.bidirectional)
        for sensor in plan.sensors
    ]


def test_the_same_seed_gives_the_same_telegrams() -> None:
    def telegrams() -> list[object]:
        plan = station_plan_from(parse("--seed", "7", "--first-counter", "1"))
        return [(sensor.transmit(), sensor.signal_at(0)) for sensor in plan.sensors]

    assert telegrams() == telegrams()
