from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder, wanted_of
from bssci.model import parse_sensor

ENTRY = {"eui": "FCA84A0300001234", "nwKey": "00" * 16, "shortAddr": "1234", "bidi": False}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, ChosenDecoder()),
        ({"decoder": "cayenne"}, ChosenDecoder("cayenne")),
        ({"typeEui": "70b3d59cd0000095"}, ChosenDecoder(None, "70B3D59CD0000095")),  # type: ignore[arg-type]
        ({"decoder": "m", "decoderParameters": {"key": "00"}}, ChosenDecoder("m", None, {"key": "00"})),
        ({"decoder": ""}, ChosenDecoder()),
    ],
)
def test_what_an_entry_says(fields: dict[str, Any], wanted: ChosenDecoder) -> None:
    assert wanted_of(parse_sensor({**ENTRY, **fields})) == wanted


def test_of_an_unknown_sensor_nothing_is_said() -> None:
    assert wanted_of(None) is NOTHING_WANTED


def test_parameters_can_be_encoded_though_there_are_none() -> None:
    wanted = wanted_of(parse_sensor({**ENTRY, "decoder": "cayenne"}))
    assert msgspec.json.encode(wanted.parameters) == b"{}"
