"""Sensors go out as CSV and JSON, and come in again as they were."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bssci.model import Sensor, parse_sensor, sensor_to_json
from bssci.model.sensor import MAX_NAME, MAX_TAG, MAX_TAGS
from bssci.web.api.sensor_files import COLUMNS, read_sensors, write_csv, write_json
from tests.support.center import STATION
from tests.support.web import KEY, SENSOR, WebHouse, sensor_entry

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


KNOWN = parse_sensor(
    sensor_entry(2, name="a", tags=["x"], decoder="meter", interval=9, bidi=True, floor=3, room="12")
)


@pytest.mark.parametrize(
    ("file", "gone"),
    [
        (b"eui,name\r\n%s,b\r\n", set()),
        (b"eui,name,nwKey,decoder,bidi,room\r\n%s,b,,,,\r\n", {"decoder", "bidi", "room"}),
        (b"eui,name,extra\r\n%s,b,\r\n", {"floor", "room"}),
        (b'[{"eui": "%s", "name": "b"}]', set()),
        (b'[{"eui": "%s", "name": "b", "decoder": null, "nwKey": ""}]', {"decoder"}),
    ],
)
def test_what_a_file_does_not_name_of_a_known_sensor_stays(file: bytes, gone: set[str]) -> None:
    found = read_sensors(file % KNOWN.eui.encode(), "application/octet-stream", {KNOWN.eui: KNOWN}.get)
    assert found.errors == []
    before = sensor_to_json(KNOWN)
    left = {name: value for name, value in before.items() if name not in gone}
    assert found.entries == [parse_sensor({"bidi": False} | left | {"name": "b"})]


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
        (['["a"]'], '["a"];'),
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
    assert [(each["row"], each["field"]) for each in found.errors] == [(2, "extra")]
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
    first = {(2, name) for name in ("eui", "nwKey", "shortAddr", "bidi", "interval", "extra")}
    assert (set(named), len(named)) == (first | {(3, "nwKey"), (3, "shortAddr")}, 8)
    messages = {each["field"]: each["message"] for each in found.errors if each["row"] == 2}
    assert messages["eui"].startswith("was made a number") and messages["interval"] == "must be JSON"


def test_export_and_import_again(web: WebHouse) -> None:
    admin, operator = web.browser("admin"), web.browser("operator")
    admin.post("/api/sensors", sensor_entry(2, name="=cmd|' /C calc'!A0", tags=["a", "b"]))
    assert operator.get("/api/sensors/export?keys=1").status == 403
    for form, kind in (("csv", "text/csv"), ("json", "application/json")):
        file = admin.get(f"/api/sensors/export?keys=1&format={form}")
        assert file.headers["content-type"].startswith(kind)
        assert "attachment" in file.headers["content-disposition"]
        answer = operator.post("/api/sensors/import?dry_run=1", file.body, content_type=kind).json()
        assert (answer["rows"], answer["unchanged"], answer["wrong"]) == (2, 2, 0)
    chosen = admin.get("/api/sensors/export?q=0110002&status=unheard").json()
    assert [each["eui"] for each in chosen] == [OTHER]
    assert admin.get(f"/api/sensors/export?station={STATION:016X}&keys=1").json() == []
    assert admin.get("/api/sensors/export?status=loud").status == 422
    text = admin.get("/api/sensors/export?format=csv").text
    assert KEY not in text and "'=cmd" in text
    assert ("admin", "sensor.export_keys", "") in web.audit()


def test_import_names_every_wrong_row_and_takes_all_or_nothing(web: WebHouse) -> None:
    browser = web.browser("operator")
    lines = [
        "eui;nwKey;shortAddr;bidi;name;autoDetach",
        f"70-B3-D5-67-70-11-00-11;{KEY};0011;true;Eins;false",
        f"70B3D56770110012;{KEY}0;0012;;;",
        f"70B3D56770110011;{KEY};0013;;;",
        f"70B3D56770110014;{KEY};0014;maybe;;",
    ]
    text = "\r\n".join(lines).encode()
    answer = browser.post("/api/sensors/import?dry_run=1", text, content_type="text/csv").json()
    assert [(each["row"], each["field"]) for each in answer["errors"]] == [
        (3, "nwKey"),
        (4, "eui"),
        (5, "bidi"),
    ]
    assert (answer["added"], answer["wrong"]) == (1, 3)
    refused = browser.post("/api/sensors/import", text, content_type="text/csv")
    assert refused.status == 422 and refused.error["field"] == "nwKey" and KEY not in refused.text
    assert len(web.center.sensors) == 1
    good = "\n".join(lines[:2]).encode()
    taken = browser.post("/api/sensors/import", b"\xef\xbb\xbf" + good, content_type="text/csv")
    assert taken.status == 200 and taken.json()["added"] == 1
    sensor = web.center.sensors.get("70B3D56770110011")
    assert sensor.name == "Eins" and sensor.bidirectional and not sensor.auto_detach


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\x81\x8d", "text/csv", 400),
        (b"name\nx", "text/csv", 422),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a": 1}', "application/json", 400),
        (b"[NaN]", "application/json", 200),
        (b"eui", "text/plain", 415),
        (b'eui\n"', "text/csv", 400),
    ],
)
def test_files_that_are_none(web: WebHouse, body: bytes, kind: str, status: int) -> None:
    answer = web.browser("operator").post("/api/sensors/import?dry_run=1", body, content_type=kind)
    assert answer.status == status


@pytest.mark.parametrize("value", [b'"\\ud800"', b"NaN"])
def test_an_import_that_no_file_can_hold_is_refused(web: WebHouse, value: bytes) -> None:
    entry = json.dumps(sensor_entry(2)).encode()[:-1] + b', "vendor": ' + value + b"}"
    answer = web.browser("operator").post("/api/sensors/import", b"[" + entry + b"]")
    assert answer.status == 422 and answer.error["field"] == "vendor"


def test_a_row_with_more_cells_than_columns_is_wrong(web: WebHouse) -> None:
    file = f"eui,nwKey,shortAddr,name\n{OTHER},{KEY},0002,Cellar, left\n".encode()
    answer = web.browser("operator").post("/api/sensors/import?dry_run=1", file, content_type="text/csv")
    assert [(each["row"], each["field"]) for each in answer.json()["errors"]] == [(2, "row")]
    assert answer.json()["valid"] == 0


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("json", "application/json")])
def test_a_masked_key_stays_as_it_is(web: WebHouse, form: str, kind: str) -> None:
    browser = web.browser("operator")
    file = browser.get(f"/api/sensors/export?format={form}").body
    answer = browser.post("/api/sensors/import", file, content_type=kind)
    assert answer.status == 200 and answer.json()["unchanged"] == 1
    assert web.center.sensors.get(SENSOR).network_key.hex().upper() == KEY
    unknown = file.replace(SENSOR.encode(), OTHER.encode())
    refused = browser.post("/api/sensors/import", unknown, content_type=kind)
    assert refused.status == 422 and refused.error["field"] == "nwKey" and "masked" in refused.text


@pytest.mark.parametrize("query", ["dry_run", "dry_run=", "dry_run=perhaps"])
def test_a_dry_run_that_cannot_be_read_is_not_carried_out(web: WebHouse, query: str) -> None:
    rows = [sensor_entry(2)]
    answer = web.browser("operator").post(f"/api/sensors/import?{query}", rows)
    assert (answer.status, answer.error["message"]) == (422, "dry_run must be true or false")


def test_every_fault_of_a_row_is_told(web: WebHouse) -> None:
    row = sensor_entry(2, shortAddr="1", bidi="yes") | {"nwKey": "00"}
    answer = web.browser("operator").post(
        "/api/sensors/import?dry_run=1", [row, {"eui": "x", "nwKey": "********"}]
    )
    assert answer.json()["wrong"] == 2
    found = [(each["row"], each["field"]) for each in answer.json()["errors"]]
    assert found[:3] == [(1, "nwKey"), (1, "shortAddr"), (1, "bidi")]
    assert {field for row, field in found if row == 2} >= {"eui", "shortAddr", "bidi"}
