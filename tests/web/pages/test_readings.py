"""Last values and decoders on the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bssci.center.decoding.collecting import ChartValue, Series, TimeStep
from bssci.decoders.bluetooth.presence import PLACE
from bssci.model import EUI, Telegram, Uplink
from bssci.web.outside import Outside
from bssci.web.pages.readings import _cell, _chart, _text, step_for
from tests.support.decoders import METER, ORDINARY, follow, outside_with_decoders
from tests.support.journal import reception
from tests.support.web import SENSOR, WebHouse, sensor_entry
from tests.web.html import Document, faults


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse], tmp_path: Path) -> WebHouse:
    outside = outside_with_decoders(tmp_path / "decoders")
    house = make_web_house(outside=outside)
    follow(outside.decoders, house.center.sensors)
    return house


def heard(web: WebHouse, payload: str, counter: int = 1, form: int = 0) -> None:
    from msgspec.structs import replace

    at = web.now()
    received = replace(
        reception(counter, EUI(SENSOR), payload=bytes.fromhex(payload)),
        format=form,
        rx_time=int(at * 1e9),
        received_at=at,
    )
    uplinks = [Uplink(at=at, id=f"id{counter}", known=True, receptions=[received], duplicates=0)]
    web.center._published(uplinks, web.happen(*uplinks))
    web.advance(1)


def values(web: WebHouse) -> dict[str, str]:
    page = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text)
    [shown] = [each for each in page.all("dl") if each["class"] == "values"] or [None]
    if shown is None:
        return {}
    rows = [each for each in page.all("div") if shown in each.ancestors]
    return {row["data-key"]: row.text for row in rows}


def test_a_sensor_shows_its_last_values_with_units(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    assert "Values appear here" in web.browser("viewer").get(f"/sensors/{SENSOR}").text
    heard(web, ORDINARY)
    shown = values(web)
    assert shown["volume"].startswith("Volume77.167\u202fm³")
    assert shown["leak"].startswith("Leakno")
    uplinks = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text)
    [decoded] = [each.text for each in uplinks.all("span") if each["class"] == "decoded"]
    assert "Volume 77.167\u202fm³" in decoded
    [told] = web.browser("viewer").get(f"/api/sensors/{SENSOR}/uplinks").json()["uplinks"]
    assert told["components"]["volume"] == {"value": 77.167, "unit": "m³"} and told["values"] == decoded
    heard(web, "02 00012D70", counter=2, form=1)
    shown = values(web)
    assert shown["volume"].startswith("Volume77.168\u202fm³") and shown["alarm"].startswith("Alarmburst")
    assert shown["battery_voltage"].startswith("Battery voltage3.6\u202fV"), "of the format before"


def test_the_list_has_last_values_and_columns_to_choose(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    heard(web, ORDINARY)
    browser = web.browser("viewer")
    page = browser.get("/sensors").text
    assert "Last values" in page and faults(Document(page)) == []
    page = browser.get("/sensors?show=volume,co2").text
    assert 'data-label="Volume"' in page and "77.167" in page and 'data-label="CO₂"' in page
    assert "Last values" not in page and faults(Document(page)) == []
    assert "show=volume%2Cco2%2Cflow" in page and "show=co2" in page


def test_bytes_that_nobody_decodes_ask_for_a_decoder(web: WebHouse) -> None:
    heard(web, ORDINARY)
    page = web.browser("operator").get(f"/sensors/{SENSOR}")
    assert "bytes are not decoded" in page.text and 'value="water-meter"' in page.text
    assert faults(Document(page.text)) == []
    assert "Ask somebody with the role operator" in web.browser("viewer").get(f"/sensors/{SENSOR}").text
    answer = web.browser("operator").post("/api/sensors", {"eui": SENSOR, "decoder": "water-meter"})
    assert answer.status == 200
    assert values(web)["volume"].startswith("Volume77.167"), "also what came before is decoded"


def test_a_payload_that_cannot_be_read_says_why(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    heard(web, ORDINARY)
    heard(web, "00", counter=2)
    page = web.browser("viewer").get(f"/sensors/{SENSOR}").text
    assert "The newest payload could not be decoded." in page and "too_short" in page and "77.167" in page


def test_what_was_read_of_a_sensor_and_what_was_not_is_counted(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    browser, decoders = web.browser("viewer"), web.outside.decoders
    assert decoders is not None
    assert "were decoded" not in browser.get(f"/sensors/{SENSOR}").text
    for number, payload in enumerate((ORDINARY, ORDINARY, "00")):
        copies = [reception(number, EUI(SENSOR), payload=bytes.fromhex(payload))]
        decoders.decode([Uplink(at=web.now(), id=f"u{number}", known=True, receptions=copies, duplicates=0)])
    page = browser.get(f"/sensors/{SENSOR}").text
    assert (
        "Of its messages since the service started 2 were decoded, 1 failed; the last with water-meter@1.0"
        in page
    )
    for address in (f"/api/sensors/{SENSOR}", f"/api/devices/mioty:{SENSOR}"):
        told = browser.get(address).json()
        told = told.get("device", told)["decoding"]
        assert (told["decoded"], told["failures"], told["failing"]) == (2, 1, True)
        last = told["last_failure"]
        assert (last["code"], last["decoder"]) == ("too_short", "water-meter@1.0")


def test_a_chart_each_a_table_and_ways_to_move(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    for counter in range(6):
        heard(web, f"00 {counter:08X} 0069 17 D2", counter)
        web.advance(3600)
    heard(web, "02 00012D70", 9, form=1)
    browser = web.browser("viewer")
    answer = browser.get(f"/sensors/{SENSOR}/readings?range=week")
    page = Document(answer.text)
    assert faults(page) == []
    shown = [each["data-key"] for each in page.all("figure")]
    assert shown[:2] == ["reading-volume", "reading-leak"] or "reading-volume" in shown
    assert "burst" in page.one("main").text and "a step is 30\u202fmin" in page.one("main").text
    links = {each.text: each["href"] for each in page.all("a")}
    zoomed = browser.get(links["Zoom in"].replace("&amp;", "&"))
    assert zoomed.status == 200 and "range=week" in zoomed.text
    exported = browser.get(links["Export as CSV"])
    assert exported.status == 200 and exported.text.startswith("\ufefftime,name,value,unit")
    assert browser.get(f"/sensors/{SENSOR}/readings?from=later").status == 422
    assert browser.get(f"/sensors/{SENSOR}/readings?from=1&to=2").status == 422


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(3600, 10), (86400, 300), (7 * 86400, 1800), (30 * 86400, 10800), (365 * 86400, 86400)],
)
def test_a_step_is_as_long_as_a_chart_can_show(seconds: float, step: float) -> None:
    assert step_for(seconds) == step


def test_the_list_of_decoders_shows_problems_and_what_each_does(web: WebHouse) -> None:
    (web.directory / "decoders" / "odd.json").write_text('{"uplink": []}')
    decoders = web.outside.decoders
    assert decoders is not None
    decoders.folder.load()
    page = web.browser("viewer").get("/decoders").text
    assert faults(Document(page)) == []
    assert ">odd.json</a>, line 1." in page and "bssci Water meter" in page and "not used yet" in page


def test_a_decoder_has_a_page_to_edit_and_to_try_for_those_who_may(web: WebHouse) -> None:
    heard(web, ORDINARY)
    for role, tries, edits in (("viewer", 0, 0), ("operator", 1, 0), ("admin", 1, 1)):
        answer = web.browser(role).get(f"/decoders/water-meter?sensor={SENSOR}&payload=00FF&format=1")
        page = Document(answer.text)
        assert faults(page) == []
        assert len([each for each in page.all("form") if "data-try" in each.attributes]) == tries
        assert len([each for each in page.all("form") if "data-editor" in each.attributes]) == edits
        assert "an ordinary day" in answer.text and "Water meter" in answer.text
    assert 'value="00FF"' in answer.text and f'value="{SENSOR}" selected' in answer.text
    assert web.browser("viewer").get("/decoders/none").status == 404
    assert web.browser("viewer").get("/decoders/new").status == 403
    assert "data-editor" in web.browser("admin").get("/decoders/new").text


def test_without_decoders_the_page_says_so(make_web_house: Callable[..., WebHouse]) -> None:
    house = make_web_house(outside=Outside())
    assert "runs without decoders" in house.browser("viewer").get("/decoders").text
    assert house.browser("viewer").get("/decoders/water-meter").status == 404
    assert house.browser("viewer").get(f"/sensors/{SENSOR}/readings").status == 200


def test_columns_are_remembered_for_who_chose_them(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(typeEui=METER))
    heard(web, ORDINARY)
    browser = web.browser("viewer")
    browser.get("/sensors?show=volume,co2")
    assert 'data-label="CO₂"' in browser.get("/sensors?status=attached").text
    other = web.browser("operator")
    other.cookies["columns"] = browser.cookies["columns"]
    assert 'data-label="CO₂"' not in other.get("/sensors").text
    assert 'data-label="CO₂"' not in browser.get("/sensors?show=-").text
    assert "Last values" in browser.get("/sensors").text


def test_a_flag_is_a_chart_of_steps_with_its_silence_left_out() -> None:
    times = ((0.0, False), (10.0, True), (20.0, True), (90.0, False))
    steps = [TimeStep(at, float(yes), False, yes, 1) for at, yes in times]
    chart = _chart(Series(name="leak", unit=None, points=[], steps=steps), None, 0.0, 100.0, 10.0)
    assert chart["kind"] == "flag"
    [series] = chart["series"]
    assert series["points"] == [[0, 0], [10, 1], [20, 1], [30, 1], [30, None], [90, 0], [100, 0]]


def test_yes_and_no_beside_numbers_are_a_chart_of_numbers() -> None:
    steps = [TimeStep(0.0, 1.0, True, True, 1), TimeStep(10.0, 5.0, 5, 5, 1)]
    chart = _chart(Series(name="level", unit=None, points=[], steps=steps), None, 0.0, 100.0, 10.0)
    assert chart["kind"] == "line"
    assert [value for _, value in chart["series"][0]["points"]] == [1.0, 5.0]
    assert _cell("mioty:X", "level", steps[1])["value"] == 5.0


def test_the_form_offers_every_decoder_and_hides_the_parameters(web: WebHouse) -> None:
    operator = web.browser("operator")
    operator.post(
        "/api/sensors",
        sensor_entry(
            decoder="gone",
            decoderParameters={"key": "SECRET"},
            location={"lat": 1.5, "lon": 2.5, "text": "Cellar"},
        ),
    )
    page = operator.get(f"/sensors/{SENSOR}/edit").text
    assert "gone (not installed)" in page and '<option value="water-meter">' in page
    assert 'value="1.5"' in page and 'value="Cellar"' in page and "SECRET" not in page
    assert faults(Document(page)) == []
    shown = operator.get(f"/sensors/{SENSOR}").text
    assert "gone</a>, with parameters" in shown and "Cellar" in shown


def test_the_readings_of_a_device_that_is_no_sensor(web: WebHouse) -> None:
    web.happen(
        Telegram(at=web.now() - 1, id="t", device="f2:00/J1/3", gateway="g", source="s", payload=b"\1")
    )
    page = web.browser("viewer").get("/devices/f2:00/J1/3/readings?range=hour")
    assert "There is no decoder for 1 of 1 payloads." in page.text and "f2:00/J1/3" in page.text
    assert faults(Document(page.text)) == []
    assert web.browser("viewer").get("/devices/nothing/readings").status == 404


def test_a_step_in_which_a_flag_changed_has_both_states() -> None:
    strike = "f2:0a1b2c3d4e5f/J2/strike-1"
    assert _cell("mioty:X", "leak", TimeStep(0.0, 0.5, False, True, 2))["value"] == "no and yes"
    assert _cell("mioty:X", "leak", TimeStep(0.0, 1.0, True, True, 2))["value"] == "yes"
    assert _cell(strike, "status", TimeStep(0.0, 0.5, 0, 1, 2))["value"] == "off and on"
    assert _cell(strike, "status", TimeStep(0.0, 0.0, 0, 0, 2))["value"] == "off"


def test_a_place_is_told_by_the_name_of_the_scanner() -> None:
    points = [ChartValue(at=1.0, value="roof-1"), ChartValue(at=2.0, value="cellar-2")]
    names = {"roof-1": "Roof"}
    told = _text(Series(name=PLACE, unit=None, points=points, steps=[]), names)["points"]
    assert [each["value"] for each in told] == ["cellar-2", "Roof"]
    told = _text(Series(name="remark", unit=None, points=points, steps=[]), names)["points"]
    assert told[1]["value"] == "roof-1"
