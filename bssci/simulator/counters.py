"""Packet counters by EUI, kept in a file so that a simulation continues where the last one ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from bssci.simulator.sensor import SimulatedSensor


def restore_counters(file: Path, sensors: Iterable[SimulatedSensor]) -> None:
    """Make sensors continue with the counters in a file, or from 0 if they are not in it. A damaged file is
    ignored.
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
    """Write the counters of the next uplinks; the file is replaced atomically."""
    text = json.dumps({f"{sensor.eui:016X}": sensor.packet_counter for sensor in sensors}, indent=1)
    new = file.with_name(f"{file.name}.new")
    new.write_text(text + "\n", "utf-8")
    os.replace(new, file)
