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


def test_nobody_is_known() -> None:
    assert nameless(EUI(SENSOR)) == ""
