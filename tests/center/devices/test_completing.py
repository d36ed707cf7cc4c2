from __future__ import annotations

import pytest

from bssci.center.devices.completing import completed, unmasked
from bssci.model import parse_sensor, sensor_to_json
from bssci.settings.rows import MASK
from tests.support.web import sensor_entry

KNOWN = parse_sensor(sensor_entry(1, name="Cellar", tags=["a"], decoderParameters={"key": "11"}, floor=3))
ENTRY = sensor_to_json(KNOWN)


def test_what_is_left_out_stays() -> None:
    assert completed({}, KNOWN) == ENTRY
    assert completed({"name": "Attic"}, KNOWN) == ENTRY | {"name": "Attic"}


@pytest.mark.parametrize("key", ["", None, MASK])
def test_a_key_that_is_not_told_stays(key: str | None) -> None:
    assert completed({"nwKey": key, "decoderParameters": MASK}, KNOWN) == ENTRY


def test_a_mask_stands_for_the_secret_of_before() -> None:
    assert unmasked({"nwKey": MASK, "name": "x"}, KNOWN) == {"nwKey": ENTRY["nwKey"], "name": "x"}
    parameters = {"key": MASK, "channel": 2}
    assert completed({"decoderParameters": parameters}, KNOWN)["decoderParameters"] == {
        "key": "11",
        "channel": 2,
    }
    assert unmasked({"nwKey": "00" * 16}, KNOWN) == {"nwKey": "00" * 16}
