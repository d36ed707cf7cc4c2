"""How long decoding takes: ``python -m bench.decoders``."""

from __future__ import annotations

import json
import time
import timeit

from bssci.decoders.blueprints import Blueprint, parse_blueprint
from bssci.decoders.interfaces import Payload

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


def decode_time(repeats: int = 5_000) -> float:
    """Return the seconds of CPU that one payload of :func:`blueprint` takes; the best of nine runs."""
    decoder = blueprint()
    return (
        min(
            timeit.repeat(
                lambda: decoder.decode(PAYLOAD, {}), number=repeats, repeat=9, timer=time.process_time
            )
        )
        / repeats
    )


if __name__ == "__main__":
    print(f"blueprint of {len(FIELDS)} components: {decode_time() * 1e6:.1f} us")
