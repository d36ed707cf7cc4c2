from __future__ import annotations

from typing import Any

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
