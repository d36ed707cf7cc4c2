"""Readings by the API: each value or steps, as JSON and CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from bssci.center.decoding.collecting import ChartValue, Past, Series
from bssci.model import EUI, Telegram, Uplink
from bssci.web.api.readings import write_csv
from bssci.web.api.schemas.readings import parse_duration, parse_moment
from tests.support.decoders import METER, follow, outside_with_decoders
from tests.support.journal import reception
from tests.support.web import SENSOR, WebHouse, sensor_entry

ROUTE = f"/api/devices/mioty:{SENSOR}/readings"


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse], tmp_path: Path) -> WebHouse:
    outside = outside_with_decoders(tmp_path / "decoders")
    house = make_web_house(outside=outside)
    follow(outside.decoders, house.center.sensors)
    assert house.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER)).status == 200
    house.happen(*(heard(house, number) for number in range(10)))
    return house


def heard(web: WebHouse, number: int) -> Uplink:
    """One a minute, the last one now; each a litre more."""
    at = web.now() - 540 + number * 60
    payload = b"\0" + number.to_bytes(4) + bytes.fromhex("006917D2")
    best = replace(reception(number, EUI(SENSOR), payload=payload), rx_time=int(at * 1e9), received_at=at)
    return Uplink(at=at, id=f"id{number}", known=True, receptions=[best], duplicates=0)


def test_each_value_of_the_last_day_and_of_a_span(web: WebHouse) -> None:
    web.advance(1)
    browser = web.browser("viewer")
    told = browser.get(f"{ROUTE}?key=volume,flow").json()
    assert (told["device"], told["decoder"], told["every"]) == (f"mioty:{SENSOR}", "water-meter@1.0", None)
    assert (told["uplinks"], told["failures"], told["undecoded"], told["complete"]) == (10, 0, 0, True)
    assert told["to"] - told["from"] == 86400
    volume, flow = told["series"]
    assert (volume["name"], volume["unit"], volume["steps"]) == ("volume", "m³", [])
    assert [value for _, value in volume["points"]] == [number / 1000 for number in range(10)]
    assert flow["unit"] == "m³/h"
    since = volume["points"][7][0]
    few = browser.get(f"{ROUTE}?key=volume&from={since}&limit=2").json()["series"][0]["points"]
    assert [value for _, value in few] == [0.008, 0.009]


def test_steps_of_time(web: WebHouse) -> None:
    web.advance(1)
    told = web.browser("viewer").get(f"{ROUTE}?key=volume&every=1d&limit=5").json()
    assert told["every"] == 86400
    steps = told["series"][0]["steps"]
    assert sum(step[4] for step in steps) == 10 and steps[-1][3] == 0.009
    assert steps[0][0] % 86400 == 0


def test_a_file_for_spreadsheets(web: WebHouse) -> None:
    web.advance(1)
    answer = web.browser("viewer").get(f"{ROUTE}?key=volume,leak&format=csv&limit=2")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f"readings-{SENSOR}.csv" in answer.headers["content-disposition"]
    lines = answer.text.splitlines()
    # The mark, without which Excel takes UTF-8 for the code page of Windows.
    assert lines[0] == "\ufefftime,name,value,unit" and len(lines) == 5
    assert lines[-1].endswith("Z,volume,0.009,m³") and lines[-2].endswith("Z,leak,false,")
    everything = web.browser("viewer").get(f"{ROUTE}?key=volume,leak&format=csv&limit=100000")
    assert len(everything.text.splitlines()) > len(lines)
    steps = web.browser("viewer").get(f"{ROUTE}?key=volume&format=csv&every=1d").text.splitlines()
    assert steps[0] == "\ufefftime,name,value,unit,least,most,count"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("from=2000000000&to=1000000000", "from"),
        ("every=0", "every"),
        ("every=1", "every"),
        ("every=1year", "every"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=100001&format=csv", "limit"),
        ("format=xml", "format"),
        ("colour=red", None),
    ],
)
def test_what_cannot_be_is_refused_by_name(web: WebHouse, query: str, field: str | None) -> None:
    answer = web.browser("viewer").get(f"{ROUTE}?{query}")
    if field is None:
        assert answer.status == 200, "as everywhere in queries that only read"
    else:
        assert answer.status == 422 and answer.error["field"] == field, answer.body


def test_times_and_lengths_are_read_as_people_write_them() -> None:
    assert parse_moment("2026-11-28T12:00:00Z") == parse_moment("2026-11-28T12:00:00") == 1795867200
    assert parse_moment("2026-11-28T13:00:00+01:00") == 1795867200
    assert parse_moment("1795867200.5") == 1795867200.5
    assert [parse_duration(text) for text in ("900", "15min", "1h", "7 d")] == [900, 900, 3600, 604800]
    for wrong in ("nan", "inf", "-1", "1e20", "0001-01-01"):
        with pytest.raises(ValueError):
            parse_moment(wrong)


@pytest.mark.parametrize("device", ["f2:aabbccddeeff/J1/3", "ble:AA:BB:CC:DD:EE:FF"])
def test_any_device_by_its_id(web: WebHouse, device: str) -> None:
    web.happen(Telegram(at=web.now() - 1, id="t", device=device, gateway="g", source="s", payload=b"\1"))
    browser = web.browser("viewer")
    for path in (device, quote(device, safe="")):
        told = browser.get(f"/api/devices/{path}/readings").json()
        assert (told["device"], told["uplinks"], told["undecoded"]) == (device, 1, 1)
    answer = browser.get(f"/api/devices/{device}/readings?format=csv")
    assert "/" not in answer.headers["content-disposition"]


@pytest.mark.parametrize("device", ["nothing", "mioty:12", ":x", "ble:", "x" * 201 + ":1"])
def test_what_is_no_id(web: WebHouse, device: str) -> None:
    assert web.browser("viewer").get(f"/api/devices/{device}/readings").status == 404


def test_a_name_and_a_unit_in_csv_are_no_formulas() -> None:
    series = Series(name="=1+1", unit="@SUM(A1)", points=[ChartValue(0.0, "+2")], steps=[])
    past = Past(
        decoder=None,
        uplinks=1,
        failed=0,
        without_decoder=0,
        failure=None,
        failed_at=None,
        complete=True,
        series=[series],
    )
    assert write_csv(past).decode().splitlines()[1:] == ["1970-01-01T00:00:00.000Z,'=1+1,'+2,'@SUM(A1)"]
