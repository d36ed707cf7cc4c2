"""Pages of devices and gateways."""

from __future__ import annotations

from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse
from tests.web.html import Document

TAG = "ble:AA:BB:CC:DD:EE:01"


def test_an_unknown_device_is_one_click_away_from_being_known(web: WebHouse) -> None:
    web.center.devices.heard([telegram(device=TAG, envelope={"manufacturer_data": {"0x0499": "AQI="}})])
    page = Document(web.browser("operator").get("/devices?state=unknown").text)
    assert "0x0499 Ruuvi" in page.one("main").text
    forms = [form["data-api"] for form in page.all("form") if form["data-api"]]
    assert forms == [f"PATCH /api/devices/{TAG.replace(':', '%3A')}"] * 2
    assert not [
        form for form in Document(web.browser("viewer").get("/devices").text).all("form") if form["data-api"]
    ]


def test_a_device_has_a_page_whatever_its_id(web: WebHouse) -> None:
    web.center.devices.heard([telegram(device="f2:0a1b/J1/3")])
    page = web.browser("operator").get("/devices/f2:0a1b/J1/3")
    assert page.status == 200 and "f2:0a1b" in page.text and 'name="decoder"' in page.text
    assert web.browser("viewer").get("/devices/ble:nobody").status == 404
    assert web.browser("viewer").get(f"/devices/mioty:{SENSOR}").status == 404


def test_a_scanner_that_is_offline_is_on_the_dashboard(web: WebHouse) -> None:
    report = telegram(device="scanner:roof", gateway="roof", envelope={"status": "offline"})
    web.center.gateways.heard([report])
    assert "1 scanner is offline" in web.browser("viewer").get("/").text
    assert "or by its last will" in web.browser("viewer").get("/gateways").text
