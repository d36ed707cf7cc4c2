"""One change of many sensors."""

from __future__ import annotations

from typing import Any

import pytest

from bssci.model import SensorError, parse_sensor
from bssci.model.sensor import MAX_INTERVAL, MAX_TAGS
from bssci.model.sensor_edit import edit_faults, sensor_edit

ENTRY = {"eui": "FCA84A0300001234", "nwKey": "00" * 16, "shortAddr": "1234", "bidi": False, "interval": 60}
METER = parse_sensor(ENTRY | {"tags": ["a", "b, c"], "decoder": "meter"})


def edited(**fields: Any) -> tuple[tuple[str, ...], str | None, float | None]:
    assert edit_faults(fields) == {}
    after = sensor_edit(fields).apply(METER)
    return after.tags, after.decoder, after.interval


def test_only_what_is_named_changes() -> None:
    assert edited(add_tags=["d", "a"]) == (("a", "b, c", "d"), "meter", 60)
    assert edited(add_tags=["d", "d"]) == (("a", "b, c", "d"), "meter", 60)
    assert edited(remove_tags=["b, c", "x"]) == (("a",), "meter", 60)
    assert edited(decoder="other", interval=None) == (("a", "b, c"), "other", None)
    assert edited(decoder=None) == edited(decoder="") == (("a", "b, c"), None, 60)


def test_a_sensor_that_is_so_already_stays_the_same() -> None:
    edit = sensor_edit({"add_tags": ["a"], "remove_tags": ["x"], "decoder": "meter", "interval": 60})
    assert edit.apply(METER) is METER


def test_too_many_tags_are_refused_unless_there_were_as_many_before() -> None:
    tags = [f"t{number}" for number in range(MAX_TAGS)]
    full = parse_sensor(ENTRY | {"tags": tags})
    with pytest.raises(SensorError, match=f"would give {ENTRY['eui']} 51 tags; 50 are allowed"):
        sensor_edit({"add_tags": ["x"]}).apply(full)
    assert sensor_edit({"add_tags": ["x"], "remove_tags": ["t0"]}).apply(full).tags == (*tags[1:], "x")


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({}, {"add_tags": "or another of remove_tags, decoder, interval must say what to change"}),
        ({"add_tags": []}, {"add_tags"}),
        ({"add_tags": ["a"], "remove_tags": ["a"]}, {"remove_tags": "must have no tag of add_tags: a"}),
        ({"add_tags": "a", "decoder": 5}, {"add_tags", "decoder"}),
        ({"remove_tags": ["\x1b"]}, {"remove_tags": "must have no control characters"}),
        ({"decoder": "a\nb"}, {"decoder": "must have no control characters"}),
        ({"interval": 0}, {"interval": f"must be a number of seconds from 1 to {MAX_INTERVAL}"}),
        ({"interval": True}, {"interval"}),
        ({"tags": ["a"]}, {"tags": "is not known here: known are add_tags, remove_tags, decoder, interval"}),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(fields: dict[str, Any], faults: Any) -> None:
    found = edit_faults(fields)
    assert (set(found) if isinstance(faults, set) else found) == faults


def test_an_edit_is_told_in_words() -> None:
    edit = sensor_edit({"add_tags": ["roof", "b, c"], "remove_tags": ["a"], "decoder": None, "interval": 900})
    assert str(edit) == 'add tags roof, "b, c"; remove tags a; remove decoder; interval 900 s'
