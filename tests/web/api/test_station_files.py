"""Base stations by file: as spreadsheets make it, and back without damage."""

from __future__ import annotations

import pytest

from bssci.web.api.station_files import read_stations, write_csv, write_json
from bssci.web.http.errors import ApiError

ENTRY = {
    "eui": "CAFE000000000001",
    "name": '=Roof; "3"',
    "location": {"lat": 51.5, "lon": -13.25, "text": "Käthe-Straße"},
    "tags": ["north", "east wing"],
    "note": "first line\nsecond",
    "blocked": True,
}


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_what_goes_out_comes_in_again(write) -> None:
    found = read_stations(write([ENTRY]), "text/csv" if write is write_csv else "application/json")
    [change] = found.entries
    assert not found.errors
    assert {name: getattr(change, name) for name in ENTRY} == ENTRY | {"tags": ("north", "east wing")}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("head", ["", "sep=;\n"])
def test_as_excel_makes_it(encoding: str, head: str) -> None:
    text = f'{head}EUI;Name;lat;lon;blocked\n="CAFE000000000001";Tür;51,5;7;WAHR\n;;;;\n'
    [change] = read_stations(text.encode(encoding), "text/csv").entries
    assert (change.eui, change.name, change.blocked) == ("CAFE000000000001", "Tür", True)
    assert change.location == {"lat": 51.5, "lon": 7.0}


def test_every_wrong_row_is_named() -> None:
    found = read_stations(b"eui,lat,blocked\nCAFE000000000001,x,\n1,,\nCAFE000000000002,,maybe\n", "text/csv")
    assert [(each["row"], each["field"]) for each in found.errors] == [
        (2, "location"),
        (3, "eui"),
        (4, "blocked"),
    ]
    twice = read_stations(b'[{"eui":"CAFE000000000001"},{"eui":"CAFE000000000001"}]', "application/json")
    assert [each["message"] for each in twice.errors] == ["is already in row 1"]


@pytest.mark.parametrize("data", [b"", b"name\nx\n", b"{}", b"[", b'"a'])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(ApiError):
        read_stations(data, "application/json" if data[:1] in b"{[" and data else "text/csv")


def test_all_faults_of_a_row_are_named() -> None:
    rows = b"eui,lat,blocked\n7.01235E+15,far,perhaps\n70B3D56770000001,51,true,lost\n"
    found = read_stations(rows, "text/csv")
    assert [(each["row"], each["field"]) for each in found.errors] == [
        (2, "eui"),
        (2, "location"),
        (2, "blocked"),
        (3, "row"),
    ]
