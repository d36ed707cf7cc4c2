from __future__ import annotations

from random import Random

import pytest

from bssci.decoders.blueprints import parse_blueprint
from bssci.decoders.interfaces import DecodeError
from bssci.decoders.plain_layouts import REMEMBERED, PlainField, PlainLayout
from bssci.model import Reading

FIELDS = """
    {"name": "kind", "size": 3, "type": "uint"},
    {"name": "alarm", "size": 1, "type": "bool"},
    {"name": "state", "size": 4, "type": "uint", "enum": {"1": "closed", "2": "open"}},
    {"name": "temperature", "size": 16, "type": "int", "littleEndian": true, "func": "$ / 10", "unit": "°C"},
    {"name": "share", "size": 8, "type": "uint", "func": "100 / ($ - 7)"},
    {"name": "hidden", "size": 8, "type": "uint", "hidden": true},
    {"name": "level", "size": 16, "type": "float"},
    {"name": "mark", "size": 16, "type": "string"},
    {"name": "total", "size": 32, "type": "uint", "scale": 0.001, "unit": "m³"}
"""
BLUEPRINT = '{"version": "1", "calibration": {"c": 2}, "uplink": [{"id": 0, "payload": [%s]}]}'
LENGTH = 13


def test_both_ways_give_the_same_readings() -> None:
    blueprint = parse_blueprint("all", BLUEPRINT % FIELDS)
    (layout,) = blueprint._layouts.values()
    assert layout.plain is not None
    random = Random(1)
    short = 0
    for _ in range(3000):
        data = random.randbytes(LENGTH)
        readings = layout.plain.read(data)
        if data[3] == 7:
            assert readings is None
            with pytest.raises(DecodeError, match="division by zero"):
                blueprint.read(data, 0, {})
            continue
        assert readings is not None
        assert repr(readings) == repr(layout.read(data, {}))  # 1, 1.0 and true are equal
        short += 1
    assert short > 2900


@pytest.mark.parametrize("length", [0, LENGTH - 1, LENGTH + 1])
def test_a_payload_of_another_length_goes_the_long_way(length: int) -> None:
    blueprint = parse_blueprint("all", BLUEPRINT % FIELDS)
    (layout,) = blueprint._layouts.values()
    assert layout.plain is not None and layout.plain.read(bytes(length)) is None
    with pytest.raises(DecodeError):
        blueprint.read(bytes(length), 0, {})


@pytest.mark.parametrize(
    "field",
    [
        '{"name": "more", "size": 8, "type": "uint", "condition": "$kind > 0"}',
        '{"name": "more", "size": 8, "type": "uint", "func": "$ * $kind"}',
        '{"name": "more", "size": 8, "type": "uint", "calibration": "c"}',
        '{"name": "more", "size": 8, "type": "uint", "func": "$ * $calibration.c"}',
    ],
)
def test_a_format_whose_fields_are_up_to_others_goes_the_long_way(field: str) -> None:
    blueprint = parse_blueprint("all", BLUEPRINT % f'{{"name": "kind", "size": 8, "type": "uint"}}, {field}')
    (layout,) = blueprint._layouts.values()
    assert layout.plain is None
    assert [reading.value for reading in blueprint.read(b"\x02\x03", 0, {})] in ([2, 3], [2, 6])


def test_a_reading_that_comes_again_is_made_once_and_memory_is_bounded() -> None:
    made: list[int] = []

    def read(raw: int) -> Reading:
        made.append(raw)
        return Reading("a", raw)

    layout = PlainLayout(2, [PlainField(16, 16, read, remembered=True)])
    for number in (1, 1, 2, 1):
        assert layout.read(number.to_bytes(2)) == [Reading("a", number)]
    assert made == [1, 2]
    for number in range(REMEMBERED + 2):
        layout.read(number.to_bytes(2))
    made.clear()
    layout.read(b"\x00\x01")
    assert made == [1]
