"""EUIs in the spellings that people and messages use."""

from __future__ import annotations

import pytest

from bssci.model.eui import EUI, eui_from_int, eui_to_int, parse_eui

WANTED = EUI("70B3D56770111505")


@pytest.mark.parametrize(
    "text", ["70B3D56770111505", " 70b3d56770111505\n", "70-B3-D5-67-70-11-15-05", "70:b3:d5:67:70:11:15:05"]
)
def test_any_spelling_of_an_eui(text: str) -> None:
    assert parse_eui(text) == WANTED


@pytest.mark.parametrize(
    "text", ["", "70B3D5677011150", "70B3D567701115055", "70B3D5677011150G", "0x70B3D56770111505"]
)
def test_what_is_no_eui_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an EUI: 16 hexadecimal digits are allowed"):
        parse_eui(text)


@pytest.mark.parametrize("value", [0, 1, 0x70B3D56770111505, (1 << 64) - 1])
def test_the_integer_of_the_wire(value: int) -> None:
    assert len(eui_from_int(value)) == 16
    assert eui_to_int(eui_from_int(value)) == value
