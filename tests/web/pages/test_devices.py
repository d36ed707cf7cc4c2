"""Pages of devices and gateways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bssci.decoders.bluetooth.atc import FACTORY
from bssci.decoders.bluetooth.presence import PresenceFactory
from bssci.model import Telegram
from tests.support.center import STATION, Line, sensor_entry, sensor_eui
from tests.support.decoders import METER, outside_with_decoders
from tests.support.telegrams import advertisement, telegram
from tests.support.web import SENSOR, WebHouse
from tests.support.wire import connect, uplink
from tests.web.html import Document

TAG = "ble:AA:BB:CC:DD:EE:01"
OTHER = "ble:AA:BB:CC:DD:EE:02"


def brought(web: WebHouse, *telegrams: Telegram) -> None:
    """Have devices say something, as a source brings it."""
    web.happen(*telegrams)
    web.center.devices.heard(telegrams)


def placed(web: WebHouse, envelope: dict[str, Any], number: int) -> None:
    """Have the service say where a device is."""
    said = telegram(
        number, at=web.now() + number, device=TAG, gateway="roof", source="presence", envelope=envelope
    )
    web.happen(said)
    web.center.devices.placed([said])


def text_of(page: Document, id: str) -> str:
    """Return what the list shows of a device."""
    [row] = [each for each in page.all("tr") if each["data-key"] == id]
    return " ".join(row.text.split())


def test_devices_show_their_last_values(make_web_house: Callable[..., WebHouse], tmp_path: Path) -> None:
    web = make_web_house(outside=outside_with_decoders(tmp_path / "decoders", [FACTORY.build({})]))
    brought(web, telegram(1, device=TAG, rssi=-71.0, envelope=advertisement()), telegram(2, device=OTHER))
    browser = web.browser("operator")
    page = Document(browser.get("/devices").text)
    assert "Temperature 20 °C Humidity 50 %" in text_of(page, TAG)
    assert "\N{MINUS SIGN}71 dBm" in text_of(page, TAG) and "Temperature" not in text_of(page, OTHER)
    shown = browser.get(f"/devices/{TAG}").text
    [live] = [each["href"] for each in Document(shown).all("a") if each.text == "Watch live"]
    found = Document(browser.get(live).text)
    assert [TAG in row.text for row in found.all("tr") if row["data-key"]] == [True]
    assert "Last values" in shown and 'data-key="temperature"' in shown and "not decoded" not in shown
    shown = browser.get(f"/devices/{OTHER}").text
    assert "This device's bytes are not decoded" in shown.replace("&#39;", "'")
    [form] = [each for each in Document(shown).all("form") if each["data-done"] == "Chosen"]
    assert form["data-api"] == f"PATCH /api/devices/{OTHER.replace(':', '%3A')}"


def test_a_place_has_the_name_of_the_scanner_and_comes_after_what_is_measured(
    make_web_house: Callable[..., WebHouse], tmp_path: Path
) -> None:
    parts = [PresenceFactory().build({}), FACTORY.build({})]
    web = make_web_house(outside=outside_with_decoders(tmp_path / "decoders", parts))
    near = {"presence": {"scanner": "roof", "rssi": -60.0}}
    brought(
        web,
        telegram(device="scanner:roof", gateway="roof", envelope={"status": "online"}),
        telegram(1, device=TAG, gateway="roof", rssi=-71.0, envelope=advertisement()),
    )
    web.center.gateways.heard(
        [telegram(device="scanner:roof", gateway="roof", envelope={"status": "online"})]
    )
    browser = web.browser("operator")
    assert browser.patch(f"/api/devices/{TAG}", {}).status == 200
    placed(web, near, 2)
    assert browser.patch("/api/gateways/scanner:roof", {"name": "Hall 3"}).status == 200
    shown = text_of(Document(browser.get("/devices").text), TAG)
    assert "Temperature 20 °C Humidity 50 % Hall 3" in shown and "Occupancy" not in shown
    page = Document(browser.get(f"/devices/{TAG}").text)
    [place] = [each for each in page.all("div") if each["data-key"] == "place"]
    assert "Hall 3" in place.text
    [link] = [each for each in page.all("a") if each["href"] == "/gateways/scanner%3Aroof"]
    assert link.text == "Hall 3"
    brought(web, *[telegram(number, device=TAG, gateway="roof", rssi=-71.0) for number in range(10, 40)])
    shown = Document(browser.get(f"/devices/{TAG}").text)
    assert [each for each in shown.all("div") if each["data-key"] == "place"]  # much was heard since
    placed(web, {"presence": {"scanner": "", "rssi": None}}, 3)
    shown = Document(browser.get(f"/devices/{TAG}").text)
    [place] = [each for each in shown.all("div") if each["data-key"] == "place"]
    assert "away" in place.text
    device = web.center.devices.get(TAG)
    assert device is not None and device.count == 31


def test_a_sensor_has_the_model_of_its_blueprint_and_otherwise_its_type_not_as_a_model(
    make_web_house: Callable[..., WebHouse], tmp_path: Path
) -> None:
    web = make_web_house(outside=outside_with_decoders(tmp_path / "decoders"))
    browser = web.browser("operator")
    other = "70B3D59CD00000FF"
    for number, type_eui in ((1, METER), (2, other)):
        assert browser.post("/api/sensors", sensor_entry(number, typeEui=type_eui)).status == 200
    page = Document(browser.get("/devices").text)
    titled, untitled = (text_of(page, f"mioty:{sensor_eui(number)}") for number in (1, 2))
    assert METER not in titled and "Water meter" in titled
    assert f"type {other}" in untitled


def test_a_mioty_sensor_shows_which_base_station_hears_it_best(web: WebHouse) -> None:
    id, browser = f"mioty:{SENSOR}", web.browser("viewer")
    assert "dBm" not in text_of(Document(browser.get("/devices").text), id)
    line = Line(web)
    line.begin(connect(bsEui=STATION, name="Town hall"))
    line.complete()
    line.say(uplink(1, epEui=int(SENSOR, 16), rxTime=int(web.now() * 1e9), rssi=-90.0))
    web.advance(5)
    shown = text_of(Document(browser.get("/devices").text), id)
    assert "Town hall" in shown and "\N{MINUS SIGN}90 dBm" in shown
    [row] = [each for each in browser.get("/api/devices").json()["devices"] if each["id"] == id]
    assert (row["gateway"], row["rssi"]) == (f"{STATION:016X}", -90.0)


def test_an_unknown_device_is_one_click_away_from_being_known(web: WebHouse) -> None:
    web.center.devices.heard([telegram(device=TAG, envelope={"manufacturer_data": {"0x0499": "AQI="}})])
    page = Document(web.browser("operator").get("/devices?state=unknown").text)
    assert "0x0499 Ruuvi" in page.one("main").text
    forms = [form["data-api"] for form in page.all("form") if form["data-api"]]
    assert forms == [f"PATCH /api/devices/{TAG.replace(':', '%3A')}"] * 2
    assert not [
        form for form in Document(web.browser("viewer").get("/devices").text).all("form") if form["data-api"]
    ]


def test_beyond_the_end_of_the_list_its_last_page_is_shown(web: WebHouse) -> None:
    text = Document(web.browser("viewer").get("/devices?page=9").text).one("main").text
    assert SENSOR in text


def test_a_device_has_a_page_whatever_its_id(web: WebHouse) -> None:
    web.center.devices.heard([telegram(device="f2:0a1b/J1/3")])
    page = web.browser("operator").get("/devices/f2:0a1b/J1/3")
    assert page.status == 200 and "f2:0a1b" in page.text and 'name="decoder"' in page.text
    assert web.browser("viewer").get("/devices/ble:nobody").status == 404
    assert web.browser("viewer").get(f"/devices/mioty:{SENSOR}").status == 404


def test_the_page_of_a_scanner_counts_the_devices_that_it_heard(web: WebHouse) -> None:
    heard = [telegram(n, device=f"ble:AA:BB:CC:DD:EE:0{n}", gateway="roof") for n in (1, 2)]
    heard.append(telegram(3, device="ble:AA:BB:CC:DD:EE:03", gateway="hall"))
    web.center.gateways.heard(heard)
    web.center.devices.heard(heard)
    page = Document(web.browser("viewer").get("/gateways/scanner:roof").text).one("main").text
    assert "Devices that it has heard2" in page


def test_a_scanner_that_is_offline_is_on_the_dashboard(web: WebHouse) -> None:
    report = telegram(device="scanner:roof", gateway="roof", envelope={"status": "offline"})
    web.center.gateways.heard([report])
    assert "1 scanner is offline" in web.browser("viewer").get("/").text
    assert "or by its last will" in web.browser("viewer").get("/gateways").text


def test_made_up_gateways_are_on_pages_of_their_own_behind_those_that_people_entered(web: WebHouse) -> None:
    web.center.gateways.heard([telegram(n, gateway=f"made-up-{n:03}") for n in range(120)])
    web.center.gateways.heard([telegram(200, gateway="roof")])
    assert web.browser("operator").patch("/api/gateways/scanner:roof", {"note": "ladder"}).status == 200
    shown = Document(web.browser("viewer").get("/gateways").text)
    keys = [row["data-key"] for row in shown.all("tr") if row["data-key"]]
    assert keys[:2] == ["scanner:roof", "scanner:made-up-000"] and len(keys) == 50
    last = web.browser("viewer").get("/gateways?page=9").text
    assert "101–121 of 121 gateways" in last
