"""Sensors go out as CSV and JSON, and come in again as they were."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bssci.model import Sensor, parse_sensor
from bssci.model.sensor import MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.web.api.sensor_files import COLUMNS, read_sensors, write_csv, write_json
from tests.support.web import KEY, sensor_entry

OTHER = "70B3D56770110002"
TYPES = {"csv": (write_csv, "text/csv"), "json": (write_json, "application/json")}

awkward = st.text(" '\";,=+-@\t\r\n[]{}\\a1\N{NO-BREAK SPACE}\x1c", max_size=8)
texts = awkward | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
flags = st.fixed_dictionaries(
    {name: st.booleans() for name in ("bidi", "dualChan", "repetition", "wideCarrOff", "longBlkDist")}
)
entries = st.builds(
    lambda extra, flags, more: extra | sensor_entry(2) | flags | more,
    st.dictionaries(texts.filter(lambda name: name not in COLUMNS or name == "extra"), values, max_size=3),
    flags,
    st.fixed_dictionaries(
        {
            "name": texts,
            "autoDetach": st.booleans(),
            "tags": st.lists(texts, max_size=4),
            "nwKey": st.binary(min_size=16, max_size=16).map(bytes.hex),
        },
        optional={"typeEui": st.integers(0, 2**64 - 1).map("{:016X}".format)},
    ),
)


def back(sensors: list[Sensor], form: str) -> list[Sensor]:
    write, content_type = TYPES[form]
    # Control characters stay only in the sensors that have them already.
    kept = {sensor.eui: sensor for sensor in sensors}
    found = read_sensors(write(sensors, True), content_type, kept.get)
    assert found.errors == []
    return found.entries


@pytest.mark.parametrize("form", TYPES)
def test_every_sensor_comes_back_as_it_was(form: str) -> None:
    @given(entries)
    @example(sensor_entry(2, name="x" * MAX_NAME, tags=["\n" * MAX_TAG] * MAX_TAGS, extra={"extra": {}}))
    def check(entry: dict[str, Any]) -> None:
        sensors = [parse_sensor(entry), parse_sensor(sensor_entry(3))]
        assert back(sensors, form) == sensors

    check()


@pytest.mark.parametrize(
    ("tags", "cell"),
    [
        (["a"], "a"),
        (["a", "b"], "a;b"),
        (["ground floor"], "ground floor;"),
        (["a b", "c"], "a b;c"),
        (["a;b", "c"], '["a;b", "c"]'),
        (["ü;"], '["ü;"]'),
        ([" a"], '[" a"]'),
        ([""], '[""]'),
        (['["a"]'], '["[\\"a\\"]"]'),
        (["=1"], "'=1"),
        ([], ""),
    ],
)
def test_tags_are_as_plain_as_can_be(tags: list[str], cell: str) -> None:
    sensor = parse_sensor(sensor_entry(2, tags=tags))
    [row] = csv.DictReader(io.StringIO(write_csv([sensor], True).decode(), newline=""))
    assert row["tags"] == cell
    assert back([sensor], "csv") == [sensor]


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("a b", ["a", "b"]),
        (" a ; b c ;", ["a", "b c"]),
        ('["a b"]', ["a b"]),
        ("[a]", ["[a]"]),
        ("[1]", ["[1]"]),
        ("[" * 9999, None),
    ],
)
def test_tags_as_people_write_them(cell: str, tags: list[str] | None) -> None:
    found = read_sensors(_csv(tags=cell), "text/csv", lambda eui: None)
    assert [list(sensor.tags) for sensor in found.entries] == ([] if tags is None else [tags])
    assert [each["field"] for each in found.errors] == (["tags"] if tags is None else [])


@pytest.mark.parametrize("name", ["'s Gravenhage", "''", "it's", "[x]", '"quoted"'])
def test_a_name_in_a_file_is_a_name(name: str) -> None:
    assert read_sensors(_csv(name=name), "text/csv", lambda eui: None).entries[0].name == name


def test_fields_of_others_have_a_column() -> None:
    sensor = parse_sensor(sensor_entry(2, vendor={"x": 1}, floor="3"))
    [row] = csv.DictReader(io.StringIO(write_csv([sensor], True).decode(), newline=""))
    assert json.loads(row["extra"]) == {"vendor": {"x": 1}, "floor": "3"}
    found = read_sensors(_csv(extra='{"floor": 3}', room="12"), "text/csv", lambda eui: None)
    assert found.entries[0].extra == {"floor": 3, "room": "12"}


@pytest.mark.parametrize("cell", ["text", "[]", "5", '{"eui": "1"}', '{"nwKey": ""}', "{" * 9999])
def test_fields_of_others_that_are_none(cell: str) -> None:
    found = read_sensors(_csv(extra=cell), "text/csv", lambda eui: None)
    assert [(each["row"], each["field"]) for each in found.errors] == [(1, "extra")]
    assert KEY not in found.errors[0]["message"]


def _csv(**cells: str) -> bytes:
    """A file of one sensor."""
    out = io.StringIO(newline="")
    row = {"eui": OTHER, "nwKey": KEY, "shortAddr": "0002", **cells}
    writer = csv.DictWriter(out, row)
    writer.writeheader()
    writer.writerow(row)
    return out.getvalue().encode()


def test_all_faults_of_a_row_are_named_also_beside_a_cell_that_a_spreadsheet_spoilt() -> None:
    head = b"eui;nwKey;shortAddr;bidi;interval;extra\n"
    rows = head + b"7,01E+15;12z;2;perhaps;soon;[\n70B3D56770000001;00;2;ja;;\n"
    found = read_sensors(rows, "text/csv", lambda eui: None)
    named = [(each["row"], each["field"]) for each in found.errors]
    first = {(1, name) for name in ("eui", "nwKey", "shortAddr", "bidi", "interval", "extra")}
    assert (set(named), len(named)) == (first | {(2, "nwKey"), (2, "shortAddr")}, 8)
    messages = {each["field"]: each["message"] for each in found.errors if each["row"] == 1}
    assert messages["eui"].startswith("was made a number") and messages["interval"] == "must be JSON"
