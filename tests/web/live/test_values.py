"""Decoded values as text."""

from __future__ import annotations

import pytest

from bssci.model import Decoded, DecodeFailure, Reading
from bssci.web.live.values import MOST, values_text

TAMPER = Reading("tamper", False)


@pytest.mark.parametrize(
    ("readings", "text"),
    [
        ([], ""),
        ([TAMPER, Reading("air_pressure", 8.2, "hPa")], "Air pressure 8.2 hPa, Tamper no"),
        ([Reading("open", False, device="f2:0a1b/J2")], "f2:0a1b/J2 Open no"),
        ([Reading(f"t{number}", number) for number in range(MOST + 2)], " and 2 more"),
    ],
)
def test_values_are_named_with_their_units(readings: list[Reading], text: str) -> None:
    told = values_text(Decoded(decoder="meter@1", readings=tuple(readings))).replace("\u202f", " ")
    assert told == text or (len(readings) > MOST and told.endswith(text) and told.count(",") == MOST - 1)


def test_why_there_are_none() -> None:
    failed = Decoded(decoder="meter@1", failure=DecodeFailure("fault", "3 bytes are missing"))
    assert values_text(failed) == "Not decoded: 3 bytes are missing"
