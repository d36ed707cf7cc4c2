from __future__ import annotations

from bssci.model import EUI
from bssci.web.live.names import nameless, names_in
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


def test_nobody_is_known() -> None:
    assert nameless(EUI(SENSOR)) == ""
