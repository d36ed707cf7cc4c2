"""CSV as Excel and its like write it, and what they would do to ours."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bssci.model import parse_sensor
from bssci.web.api.sensor_files import read_sensors, write_csv
from bssci.web.api.spreadsheets import guarded, is_guarded, unguarded
from bssci.web.http.errors import ApiError
from tests.support.web import KEY, SENSOR, WebHouse, sensor_entry

EXCEL = "eui;nwKey;shortAddr;bidi;name\r\n70B3D56770110002;" + KEY + ';="0002";WAHR;Zähler Köln €5\r\n'
"""as a German Excel saves it"""
TABS = EXCEL.replace(";", "\t").replace('="0002"', '"=""0002"""')


@pytest.mark.parametrize(
    "data",
    [
        EXCEL.encode("cp1252"),
        EXCEL.encode("utf-8"),
        codecs.BOM_UTF8 + EXCEL.encode("utf-8"),
        codecs.BOM_UTF16_LE + TABS.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TABS.encode("utf-16-be"),
        TABS.encode("utf-16-le"),
        TABS.encode("cp1252"),
        b"sep=;\r\n" + EXCEL.encode("cp1252"),
        b'"sep=;"\r\n' + EXCEL.encode("cp1252"),
        codecs.BOM_UTF16_LE + ("sep=\t\r\n" + TABS).encode("utf-16-le"),
        EXCEL.replace("\r\n", "\r").encode("cp1252"),
        EXCEL.replace("WAHR", "TRUE").encode("utf-8"),
        EXCEL.replace("WAHR", "1").encode("utf-8"),
    ],
)
@pytest.mark.parametrize("content_type", ["text/csv", "application/octet-stream", "application/vnd.ms-excel"])
def test_files_of_excel_are_read(data: bytes, content_type: str) -> None:
    found = read_sensors(data, content_type, lambda eui: None)
    assert found.errors == []
    [sensor] = found.entries
    assert (sensor.short_address, sensor.bidirectional, sensor.name) == (2, True, "Zähler Köln €5")


def test_the_separator_that_is_named_counts() -> None:
    text = f"sep=,\neui,nwKey,shortAddr,a;b;c;d;e;f\n70B3D56770110002,{KEY},0002,x\n"
    [sensor] = read_sensors(text.encode(), "text/csv", lambda eui: None).entries
    assert sensor.extra == {"a;b;c;d;e;f": "x"}


@pytest.mark.parametrize(
    ("column", "cell"),
    [("eui", "7,0123E+15"), ("shortAddr", "1E+05"), ("shortAddr", "2"), ("nwKey", "1.2E+31")],
)
def test_a_number_that_lost_its_digits_is_named(column: str, cell: str) -> None:
    row = {"eui": SENSOR, "nwKey": KEY, "shortAddr": "0002"} | {column: f'"{cell}"'}
    data = f"{','.join(row)}\n{','.join(row.values())}\n".encode()
    [error] = read_sensors(data, "text/csv", lambda eui: None).errors
    assert error["field"] == column and "format the column as text" in error["message"]


@pytest.mark.parametrize("data", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest"])
def test_a_workbook_is_named(data: bytes) -> None:
    with pytest.raises(ApiError, match="workbook: save it as CSV"):
        read_sensors(data, "application/octet-stream", lambda eui: None)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+49 30",
        "-5",
        "@SUM(A1)",
        "\tx",
        "\rx",
        " x",
        "0002",
        "1E05",
        "12.5",
        "1,5",
        "1-2",
        "3/4",
        "007",
    ]
    + ["3 Mar", "May 5", "Jan-21", "1234567890123456", "true", "WAHR", "12:30", "5 %"],
)
def test_what_a_spreadsheet_would_change_or_carry_out_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


def test_thousands_of_apostrophes_are_a_text_like_any() -> None:
    for text in ("'" * 5000, "'" * 5000 + "=1"):
        assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "0", "1234", "Meter 2", "2 OG", "it's", "'quoted'", "A1B2", "Mayer 5a"])
def test_what_it_leaves_as_it_is_goes_out_plain(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


def test_every_text_comes_back() -> None:
    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(st.text("'=+-@\t\r 0123456789.,E", max_size=8) | st.text(max_size=20))
    def check(text: str) -> None:
        if is_guarded(text) or text.strip() == text:
            assert unguarded(guarded(text)) == text

    check()


def test_the_export_has_a_mark_and_its_short_addresses_survive() -> None:
    sensors = [
        parse_sensor(sensor_entry(2, shortAddr=address)) for address in ("0002", "1E05", "1234", "00AB")
    ]
    data = write_csv(sensors, True, ";")
    assert data.startswith(codecs.BOM_UTF8)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [row["shortAddr"] for row in rows] == ["'0002", "'1E05", "1234", "00AB"]
    assert all(row["bidi"] == "true" for row in rows)


@pytest.mark.parametrize("separator", ["comma", "semicolon", "tab"])
def test_out_and_in_again_by_the_api(web: WebHouse, separator: str) -> None:
    browser = web.browser("admin")
    entry = sensor_entry(1, name="=cmd|'/c calc'!A0", tags=["0002", "@x"], shortAddr="0E12", floor="1-2")
    assert browser.post("/api/sensors", entry).status == 200
    before = browser.get("/api/sensors/export?keys=1").json()
    exported = browser.get(f"/api/sensors/export?format=csv&keys=1&separator={separator}")
    assert exported.body.startswith(codecs.BOM_UTF8)
    answer = browser.ask(
        "POST", "/api/sensors/import?dry_run=1", exported.body, content_type="application/octet-stream"
    )
    assert (answer.json()["unchanged"], answer.json()["wrong"]) == (1, 0)
    assert browser.get("/api/sensors/export?keys=1").json() == before
