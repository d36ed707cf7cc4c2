"""Packet counters that go on where the last simulation ended: in a file, by EUI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from bssci.simulator.sensor import SimulatedSensor


def restore_counters(file: Path, sensors: Iterable[SimulatedSensor]) -> None:
    """Have sensors go on with the counters of a file; those that it lacks, from 0. A damaged file says
    nothing.
    """
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    for sensor in sensors:
        counter = known.get(f"{sensor.eui:016X}") if isinstance(known, dict) else None
        is_counter = isinstance(counter, int) and not isinstance(counter, bool) and 0 <= counter <= 0xFFFFFFFF
        sensor.go_on(counter if is_counter else 0)  # type: ignore[arg-type]  # is_counter says so


def keep(file: Path, sensors: Iterable[SimulatedSensor]) -> None:
    """Write the counters of the next uplinks, all or nothing."""
    text = json.dumps({f"{sensor.eui:016X}": sensor.packet_counter for sensor in sensors}, indent=1)
    new = file.with_name(f"{file.name}.new")
    new.write_text(text + "\n", "utf-8")
    os.replace(new, file)
