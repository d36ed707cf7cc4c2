"""An entry of endpoints.json: what tells how payloads are read, when they come and from where."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bssci.model import (
    Sensor,
    SensorError,
    parse_sensor,
    sensor_differences,
    sensor_faults,
    sensor_to_json,
)
from bssci.model.sensor import MAX_TAG, MAX_TAGS, faults_of_entered, key_digest

ENTRY = {"eui": "FCA84A0300001234", "nwKey": "00" * 16, "shortAddr": "1234", "bidi": False}
KEY = "000102030405060708090A0B0C0D0E0F"
TAGS = f"must be a list of at most {MAX_TAGS} texts of at most {MAX_TAG} characters each"
READING = {
    "decoder": "meter",
    "decoderParameters": {"key": KEY},
    "interval": 900,
    "location": {"lat": 48.1, "lon": 11.5, "text": "cellar", "floor": -1},
}


def test_all_fields_are_read_and_written_back() -> None:
    sensor = parse_sensor({**ENTRY, **READING, "room": "12"})
    assert (sensor.decoder, sensor.interval) == ("meter", 900)
    assert sensor.decoder_parameters == {"key": KEY}
    assert sensor.location == READING["location"]
    assert sensor.extra == {"room": "12"}
    written = sensor_to_json(sensor)
    assert written.items() >= {**READING, "room": "12"}.items()
    assert parse_sensor(written) == sensor


def test_none_of_them_is_needed() -> None:
    sensor = parse_sensor({**ENTRY, **dict.fromkeys(READING)})
    assert sensor == parse_sensor(ENTRY)
    assert not sensor_to_json(sensor).keys() & READING.keys()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("decoder", 7, "decoder: must be text of at most 64 characters"),
        ("decoder", "x" * 65, "decoder: must be text of at most 64 characters"),
        ("decoderParameters", KEY, "decoderParameters: must be an object"),
        (
            "decoderParameters",
            {"key": KEY * 200},
            "decoderParameters: is too large: may take at most 4096 bytes as JSON",
        ),
        ("decoderParameters", {"key": "\ud800"}, "decoderParameters: must be JSON in UTF-8"),
        ("interval", 0, "interval: must be a number of seconds from 1 to 31622400"),
        ("interval", True, "interval: must be a number of seconds from 1 to 31622400"),
        ("interval", float("nan"), "interval: must be a number of seconds from 1 to 31622400"),
        ("location", [48, 11], "location: must be an object"),
        ("location", {"lat": 91}, "location: lat must be a number of degrees from -90 to 90"),
        ("location", {"lon": "11"}, "location: lon must be a number of degrees from -180 to 180"),
        ("location", {"text": 5}, "location: text must be text of at most 200 characters"),
        ("tags", ["x"] * (MAX_TAGS + 1), f"tags: {TAGS}"),
        ("tags", ["x" * (MAX_TAG + 1)], f"tags: {TAGS}"),
        ("tags", "a, b", f"tags: {TAGS}"),
    ],
)
def test_a_wrong_one_is_named_without_its_value(field: str, value: Any, message: str) -> None:
    with pytest.raises(SensorError) as error:
        parse_sensor({**ENTRY, field: value})
    assert str(error.value) == message
    assert error.value.field == field


def test_what_a_file_may_keep_is_refused_where_it_is_entered_anew() -> None:
    kept = parse_sensor({**ENTRY, "name": "a\nb", "location": {"lat": 48.1}})
    assert faults_of_entered(kept, kept) == {}
    new = parse_sensor({**ENTRY, "name": "a\nc", "tags": ["\0"], "location": {"lon": 11.5}})
    assert list(faults_of_entered(new, kept)) == ["name", "tags", "location"]


def test_parameters_are_secret() -> None:
    sensor = parse_sensor({**ENTRY, **READING})
    assert KEY not in repr(sensor)
    before: Sensor = parse_sensor(ENTRY)
    told = sensor_differences(before, sensor)
    assert "decoderParameters" in told and KEY not in told


def test_of_thousands_of_unknown_fields_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def dumps(value: object, **options: object) -> str:
        written.append(value)
        return json.dumps(value, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("bssci.model.sensor.json", SimpleNamespace(dumps=dumps))
    faults = sensor_faults({"bidi": 1} | {f"field{number:04}": 1 for number in range(5000)})
    assert list(faults) == ["eui", "nwKey", "shortAddr", "bidi", "field0000"]
    assert len(written) < 2000, "each fault is looked for anew among all fields"


def test_the_digest_of_a_key_is_that_of_the_key_alone() -> None:
    digest = key_digest(parse_sensor(ENTRY))
    assert digest == key_digest(parse_sensor(ENTRY | {"shortAddr": "0001", "bidi": True, "name": "Cellar"}))
    assert digest != key_digest(parse_sensor(ENTRY | {"nwKey": KEY}))
    assert len(digest) == 8
