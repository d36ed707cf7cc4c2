"""Time that decoding takes: ``python -m bench.decoders``."""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable

from bench.figures import Figure, at_most
from bssci.decoders.blueprints import Blueprint, parse_blueprint
from bssci.decoders.interfaces import Payload
from bssci.decoders.scripts import compile_script

COMPONENTS = {
    "temperature": {"size": 9, "type": "uint", "func": "$/8-10", "unit": "°C"},
    "humidity": {"size": 7, "type": "uint", "func": "$", "unit": "%"},
    "co2": {"size": 8, "type": "uint", "func": "$*20", "unit": "ppm"},
    "spare": {"size": 6, "type": "uint"},
    "battery": {"size": 4, "type": "uint", "func": "($+18)/10", "unit": "V"},
    "days": {"size": 5, "type": "uint", "unit": "days"},
    "bit": {"size": 1, "type": "bool"},
}
FIELDS = (
    ("temp_1", "temperature"),
    ("humidity_1", "humidity"),
    ("co2_1", "co2"),
    ("spare_1", "spare"),
    ("temp_2", "temperature"),
    ("humidity_2", "humidity"),
    ("co2_2", "co2"),
    ("spare_2", "spare"),
    ("batt", "battery"),
    ("co2_at_calibration", "co2"),
    ("days_to_calibration", "days"),
    ("not_calibrated", "bit"),
    ("co2_error", "bit"),
    ("debug", "bit"),
)
"""fourteen, as a climate sensor on the market has them: ten bytes"""
PAYLOAD = Payload(data=bytes(range(60, 70)), kind="uplink", device="mioty:0000000000000001", received_at=0.0)


def blueprint() -> Blueprint:
    """Return a blueprint of fourteen components, five of them with an expression that computes."""
    fields = [{"name": name, "component": component} for name, component in FIELDS]
    document = {"version": "1", "component": COMPONENTS, "uplink": [{"id": 0, "payload": fields}]}
    return parse_blueprint("bench", json.dumps(document))


SCRIPT = """
function decodeUplink(input) {
  var b = input.bytes;
  return {data: {temperature: ((b[0] << 8) | b[1]) / 100, humidity: b[2], battery_voltage: b[3] / 50,
                 co2: b[4] * 20, leak: (b[5] & 1) === 1}};
}
"""
"""a codec as vendors write them, with five readings"""


def blueprint_time() -> float:
    """Return the us of CPU that one payload of :func:`blueprint` takes."""
    decoder = blueprint()
    return _best(lambda: decoder.decode(PAYLOAD, {}))


def script_time() -> float:
    """Return the us of CPU that one payload of :data:`SCRIPT` takes, in the thread of the script.

    :raises ValueError: the extra ``scripts`` is not installed.
    """
    engine = compile_script("bench", SCRIPT).engine()
    return _best(lambda: engine.decode(PAYLOAD, {}))


def _best(decode: Callable[[], object], repeats: int = 5_000) -> float:
    """Return the us of one call, in the best of nine runs."""
    times = timeit.repeat(decode, number=repeats, repeat=9, timer=time.process_time)
    return min(times) / repeats * 1e6


def figures() -> list[Figure]:
    """Measure both kinds of decoder."""
    return [
        at_most(f"one blueprint of {len(FIELDS)} components", blueprint_time(), "us", 10),
        at_most("one script", script_time(), "us", 30),
    ]


if __name__ == "__main__":
    for figure in figures():
        print(figure)
