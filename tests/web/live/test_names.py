from __future__ import annotations

from bssci.model import EUI
from bssci.web.live.names import nameless, names_in
from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse, sensor_entry


def test_names_are_those_of_the_present_configuration(web: WebHouse) -> None:
    name_of = names_in(web.center)
    eui = EUI(SENSOR)
    assert name_of(eui) == ""
    web.browser("admin").post("/api/sensors", sensor_entry(name="cellar"))
    assert name_of(eui) == "cellar"


def test_devices_are_named_by_their_ids(web: WebHouse) -> None:
    name_of, id = names_in(web.center), "ble:AA:BB:CC:DD:EE:FF"
    assert name_of(id) == ""
    web.browser("operator").patch(f"/api/devices/{id}", {"name": "kitchen"})
    assert name_of(id) == "kitchen"


def test_scanners_are_named_by_what_telegrams_call_them(web: WebHouse) -> None:
    name_of = names_in(web.center)
    web.center.gateways.heard([telegram(gateway="roof")])
    assert name_of("roof") == ""
    web.browser("operator").patch("/api/gateways/scanner:roof", {"name": "Hall 3"})
    assert name_of("roof") == "Hall 3"


def test_nobody_is_known() -> None:
    assert nameless(EUI(SENSOR)) == ""
