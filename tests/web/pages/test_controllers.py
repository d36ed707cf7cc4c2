"""Pages of controllers, their import, and templates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bssci.decoders.controller_states import ControllerDecoder
from bssci.web.pages import controllers
from tests.support.controllers import MAC, TABLES
from tests.support.decoders import outside_with_decoders
from tests.support.telegrams import telegram
from tests.support.web import WebHouse
from tests.web.html import Document

STRIKE = f"f2:{MAC}/J2/strike-1"


def imported(web: WebHouse) -> WebHouse:
    assert web.browser("admin").post("/api/devices/import", TABLES).status == 200
    return web


def test_a_controller_shows_what_sits_where_and_takes_commands(web: WebHouse) -> None:
    page = Document(imported(web).browser("operator").get(f"/controllers/{MAC}").text)
    assert [each.text for each in page.all("h2") if "Connector" in each.text] == [
        "Connector J1",
        "Connector J2",
    ]
    commands = [form["data-command"] for form in page.all("form") if form["data-command"]]
    assert commands == [f"/api/devices/{STRIKE.replace(':', '%3A')}/command"]
    assert {each["value"] for each in page.all("option") if each["value"]} >= {STRIKE, f"f2:{MAC}"}
    seen = Document(web.browser("viewer").get(f"/controllers/{MAC}").text)
    assert not [form for form in seen.all("form") if form["data-command"] or form["data-api"]]
    assert web.browser("viewer").get("/controllers/0a1b2c3d4e60").status == 404


def test_what_sits_at_a_controller_shows_its_last_values(
    make_web_house: Callable[..., WebHouse], tmp_path: Path
) -> None:
    outside = outside_with_decoders(tmp_path / "decoders", [ControllerDecoder()])
    web = imported(make_web_house(outside=outside))
    body = {"timestamp": "x", "status": 1}
    envelope = {"direction": "stat", "mode": "access-control-mode", "component": "strike-1", "payload": body}
    state = telegram(device=STRIKE, at=web.now(), payload=b"{}", envelope=envelope)
    web.happen(state)
    web.center.devices.heard([state])
    web.advance(60)
    page = Document(web.browser("viewer").get(f"/controllers/{MAC}").text)
    [row] = [each for each in page.all("tr") if each["data-key"] == STRIKE]
    assert "Status on" in row.text and "1\u202fmin ago" in row.text
    readings = Document(web.browser("viewer").get(f"/devices/{STRIKE}/readings").text)
    assert "latest on" in readings.one("main").text
    [cell] = [each.text for each in readings.all("td") if each["class"] == "number"]
    assert cell == "on"
    assert "Status on" in web.browser("viewer").get("/live").text


def test_the_list_leads_to_controllers_and_templates(web: WebHouse) -> None:
    page = Document(imported(web).browser("viewer").get("/controllers").text)
    links = {each["href"] for each in page.all("a")}
    assert {f"/controllers/{MAC}", "/controllers/templates/soil-probe"} <= links
    assert "/controllers/import" not in links


def test_a_template_is_edited_by_admins_and_read_by_all(web: WebHouse) -> None:
    imported(web)
    edited = Document(web.browser("admin").get("/controllers/templates/soil-probe").text)
    names = [each["value"] for each in edited.all("input") if each["name"] == "name"]
    # The last is of the row for a new data point.
    assert names == ["temperature", "moisture", "salt", ""]
    read = Document(web.browser("viewer").get("/controllers/templates/soil-probe").text)
    assert not [each for each in read.all("input") if each["name"] == "name"]
    assert "moisture" in read.one("main").text
    assert web.browser("admin").get("/controllers/templates/new").status == 200
    assert web.browser("admin").get("/controllers/import").status == 200


def test_a_device_that_takes_commands_says_so(web: WebHouse) -> None:
    web.center.devices.heard([telegram(device=STRIKE)])
    assert "data-command" in web.browser("operator").get(f"/devices/{STRIKE}").text
    web.center.devices.heard([telegram(device=f"f2:{MAC}/J1/3")])
    assert "data-command" not in web.browser("operator").get(f"/devices/f2:{MAC}/J1/3").text


def test_made_up_controllers_and_components_are_bounded(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controllers, "OFFERED", 50)
    imported(web)
    made_up = [telegram(n, device=f"f2:{n:012x}/J1/1", gateway=f"f2-{n:012x}") for n in range(60)]
    made_up += [telegram(n, device=f"f2:{MAC}/J9/x{n}", gateway=f"f2-{MAC}") for n in range(102)]
    web.center.devices.heard(made_up)
    browser = web.browser("operator")
    shown = Document(browser.get("/controllers").text)
    keys = [row["data-key"] for row in shown.all("tr") if row["data-key"]]
    assert keys[0] == f"f2:{MAC}" and len([key for key in keys if key.startswith("f2:")]) == 50
    page = browser.get(f"/controllers/{MAC}")
    assert "2 more unknown devices, heard earlier" in page.text
    rows = [row["data-key"] for row in Document(page.text).all("tr") if row["data-key"]]
    assert STRIKE in rows and f"f2:{MAC}/J9/x101" in rows and f"f2:{MAC}/J9/x0" not in rows
    offered = [each["value"] for each in Document(page.text).all("option") if each["value"]]
    assert len([each for each in offered if each.startswith("f2:") and "/" not in each]) == 50
