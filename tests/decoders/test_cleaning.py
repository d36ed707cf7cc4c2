from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec
import pytest

from bssci.decoders.cleaning import clean
from bssci.decoders.interfaces import DecodeError
from bssci.model import Reading


def test_what_others_read_is_made_fit() -> None:
    readings, warnings = clean(
        [
            Reading("Temp", 68.0, "°F"),
            Reading("a\0b", "x\ud800y\0"),
            Reading("nan", float("nan")),
            Reading("inf", float("inf")),
            Reading("large", 2**60),
            Reading("larger", 2**64),
            Reading("largest", 2**2000),
            Reading("text", "x" * 2000),
            Reading("yes", True),
        ]
    )
    assert readings == [
        Reading("temperature", 20.0, "°C"),
        Reading("a\ufffdb", "x\ufffdy\ufffd"),
        Reading("large", 2**60),
        Reading("larger", float(2**64)),
        Reading("text", "x" * 1000),
        Reading("yes", True),
    ]
    assert warnings == [
        "nan: is not a number",
        "inf: is not a number",
        "largest: is too large",
        "text: cut to 1000 characters",
    ]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "bad_reading"),
        ({"temperature": 21}, "bad_reading"),
        ([None], "bad_reading"),
        ([Reading("", 1)], "bad_reading"),
        ([Reading("a", None)], "bad_reading"),  # type: ignore[arg-type]
        ([Reading("a", [1])], "bad_reading"),  # type: ignore[arg-type]
        ([Reading("a", 1, 5)], "bad_reading"),  # type: ignore[arg-type]
        ([Reading(str(number), number) for number in range(501)], "too_many_readings"),
    ],
)
def test_what_is_no_reading_is_a_failure(given: Any, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        clean(given)
    assert caught.value.code == code


def test_numbers_and_texts_of_other_classes_become_ordinary_ones() -> None:
    class Fraction(float):
        """As numpy.float64 is."""

    class State(IntEnum):
        OPEN = 2

    class Word(str):
        """As numpy.str_ is."""

    given = [Reading("a", Fraction(1.5)), Reading("b", State.OPEN), Reading(Word("c"), Word("x"), Word("V"))]
    readings, warnings = clean([*given, Reading("d", True)])
    assert [type(each.value) for each in readings] == [float, int, str, bool] and not warnings
    told = msgspec.json.decode(msgspec.json.encode(readings))
    assert [(each["name"], each["value"]) for each in told] == [("a", 1.5), ("b", 2), ("c", "x"), ("d", True)]


def test_a_number_that_is_too_large_in_the_unit_of_the_table_is_left_out() -> None:
    readings, warnings = clean([Reading("voltage", 1.7e308, "kV"), Reading("co2", 400, "ppm")])
    assert readings == [Reading("co2", 400, "ppm")]
    assert warnings == ["voltage: is too large in V"]
