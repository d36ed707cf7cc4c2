"""Tables of controllers by HTTP, and from then on: from a message of the broker to the readings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from twisted.internet.defer import succeed

from bssci.center.decoding.entered import entered
from bssci.model import Telegram
from bssci.sources.envelopes.controller import controller_form
from bssci.sources.envelopes.values import Incoming
from tests.support.center import result_of
from tests.support.controllers import ANSWER, MAC, TABLES, TOPIC, modbus, tables
from tests.support.telegrams import AT, as_json
from tests.support.web import WebHouse

PIN = f"f2:{MAC}/J1/3"
IMPORT = "/api/devices/import"


@pytest.fixture
def house(web: WebHouse) -> WebHouse:
    decoders = web.outside.decoders
    assert decoders is not None
    decoders._device = lambda id: entered(web.center.devices, id)
    return web


def heard(house: WebHouse, topic: str, body: Any) -> Telegram:
    """What becomes of a message at the broker, decoded."""
    [telegram] = controller_form(ZoneInfo("UTC")).read(
        Incoming(topic, as_json(body), AT, "mqtt"), lambda remark: None
    )
    [found] = result_of(house.outside.decoders.decode([telegram]))
    return found


def said(hexadecimal: str) -> dict[str, str]:
    return {"timestamp": "2023-11-14 22:13:20.543400", "data": hexadecimal}


def test_all_data_points_of_a_sensor_are_readings_of_the_sensor_at_its_pin(house: WebHouse) -> None:
    answer = house.browser("admin").post(IMPORT, TABLES)
    assert answer.status == 200, answer.text
    assert answer.json() == {
        "dry_run": False, "models": ["soil-probe"], "empty_pins": 1, "wrong": 0, "errors": [],
        "devices": [f"f2:{MAC}", PIN, f"f2:{MAC}/J2/strike-1"],
    }  # fmt: skip
    telegram = heard(house, TOPIC, said(modbus(ANSWER)))
    assert telegram.device == PIN and telegram.device_time == AT + 0.5434
    readings = [(each.name, each.value, each.unit) for each in telegram.decoded.readings]
    assert readings == [("temperature", 23.5, "°C"), ("soil_moisture", 50.0, "%"), ("salt", 7, None)]
    shown = house.browser("viewer").get(f"/api/devices/{PIN}").json()
    assert (shown["name"], shown["parent"], shown["port"]) == ("Bed 3", f"f2:{MAC}", "J1/3")


def test_a_wrong_checksum_and_a_pin_without_a_device_cost_their_readings_only(house: WebHouse) -> None:
    house.browser("admin").post(IMPORT, TABLES)
    wrong = heard(house, TOPIC, said(f"{ANSWER} 00 00"))
    assert wrong.decoded.failure.code == "checksum" and not wrong.decoded.readings
    assert heard(house, TOPIC.replace("sensor-3", "sensor-4"), said(modbus(ANSWER))).decoded is None


def test_an_import_again_changes_what_is_entered(house: WebHouse) -> None:
    browser = house.browser("admin")
    browser.post(IMPORT, TABLES)
    browser.patch(f"/api/devices/{PIN}", {"tags": ["field"]})
    changed = tables()
    changed["Device"][1]["DeviceName"] = "Bed 4"
    changed["DataPoint"] = changed["DataPoint"][:1]
    assert browser.post(IMPORT, changed).status == 200
    shown = browser.get(f"/api/devices/{PIN}").json()
    assert (shown["name"], shown["tags"]) == ("Bed 4", ["field"])
    assert len(heard(house, TOPIC, said(modbus(ANSWER))).decoded.readings) == 1


def test_a_dry_run_changes_nothing(house: WebHouse) -> None:
    answer = house.browser("admin").post(f"{IMPORT}?dry_run=1", tables(Pin=[{"Id": 5, "DeviceId": 1}]))
    assert answer.json()["errors"] == ["pin 5: there is no connector None"]
    assert house.browser("admin").get("/api/decoders/soil-probe").status == 404
    assert len(house.center.devices) == 0


def test_what_cannot_be_imported_is_refused(house: WebHouse) -> None:
    assert house.browser("admin").post(IMPORT, {"Pin": 3}).status == 422
    assert house.browser("operator").post(IMPORT, TABLES).status == 403
    other = tables()
    other["DeviceTemplate"][1]["Name"] = "water-meter"
    assert house.browser("admin").post(IMPORT, other).status == 409


def test_an_import_is_whole_or_not_made(house: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = house.browser("admin")
    two = tables()
    two["DeviceTemplate"].append({"Id": 9, "Name": "Rain", "Model": "R1"})
    two["DataPoint"].append(tables()["DataPoint"][0] | {"Id": 99, "DeviceTemplateId": 9})
    monkeypatch.setattr("bssci.center.devices.registry.MAX_KNOWN", 1)
    assert browser.post(IMPORT, two).status == 409
    assert len(house.center.devices) == 0
    for name in ("soil-probe", "rain"):
        assert browser.get(f"/api/decoders/{name}").status == 404
    monkeypatch.undo()
    assert browser.post(IMPORT, two).json()["models"] == ["soil-probe", "rain"]
    assert browser.get("/api/decoders/rain").status == 200
    assert ("admin", "decoder.import", "") in house.audit()


def test_a_sensor_at_another_pin_is_read_there(house: WebHouse) -> None:
    house.browser("admin").post(IMPORT, TABLES)
    other = PIN.replace("/3", "/4")
    assert house.browser("viewer").post(f"/api/devices/{PIN}/move", {"to": other}).status == 403
    assert house.browser("operator").post(f"/api/devices/{PIN}/move", {"to": "x"}).status == 422
    answer = house.browser("operator").post(f"/api/devices/{PIN}/move", {"to": other})
    assert (answer.json()["id"], answer.json()["name"]) == (other, "Bed 3")
    assert heard(house, TOPIC, said(modbus(ANSWER))).decoded is None
    there = heard(house, TOPIC.replace("sensor-3", "sensor-4"), said(modbus(ANSWER)))
    assert len(there.decoded.readings) == 3


def test_a_command_is_answered_by_the_state_that_follows(house: WebHouse) -> None:
    path = f"/api/devices/f2:{MAC}/J2/strike-1/command"
    browser = house.browser("operator")
    assert house.browser("viewer").post(path, {"power-flag": 1}).status == 403
    assert browser.post(path, {"power-flag": 3}).status == 422
    assert browser.post(path, {"power-flag": 1}).status == 503
    strike = heard(house, f"stat/f2-{MAC}/access-control-mode/J2/strike-1", {"status": 0})
    published = []

    def publish(topic: str, payload: bytes) -> Any:
        published.append((topic, payload))
        house.center._heard_telegrams([strike])
        return succeed(None)

    house.center.sources.add(SimpleNamespace(name="mqtt", can_send=True, trouble="", publish=publish))
    house.center.gateways.heard([strike])
    answer = browser.post(path, {"power-flag": 2, "period": 5})
    assert answer.status == 200 and answer.json()["state"] == {"status": 0}
    assert published == [(f"cmnd/f2-{MAC}/access-control-mode/J2/strike-1", b'{"power-flag":2,"period":5}')]
