"""Controllers and templates, as pages show them."""

from __future__ import annotations

import json

import pytest

from bssci.web.http.errors import ApiError
from bssci.web.reports.controllers import ControllerViews, table_of
from bssci.web.reports.devices import DeviceViews
from tests.support.controllers import MAC, TABLES
from tests.support.telegrams import telegram
from tests.support.web import WebHouse


def views(web: WebHouse) -> ControllerViews:
    return ControllerViews(web.admin.context, DeviceViews(web.admin.context))


def test_a_table_holds_what_has_a_column_and_the_rest_beside_it() -> None:
    text = json.dumps(
        {
            "version": "2", "model": "SP-3", "check": "modbus", "typeEui": "0000000000000001",
            "dataPoints": [
                {"Label": "temperature", "DataEncoding": "Int16", "Offset": 3, "Append": "°C"}
                | {"littleEndian": True},
            ],
        }
    )  # fmt: skip
    found = table_of(text)
    assert (found["model"], found["modbus"], found["comments"]) == ("SP-3", True, False)
    assert found["rest"] == {"version": "2", "typeEui": "0000000000000001"}
    assert found["points"] == [
        {
            "name": "temperature", "offset": 3, "length": None, "encoding": "Int16", "decimals": None,
            "unit": "°C", "scale": None, "rest": {"littleEndian": True},
        }
    ]  # fmt: skip


def test_comments_are_told_and_what_is_no_model_is_empty() -> None:
    assert table_of('{/* soil */ "dataPoints": []}')["comments"]
    assert table_of("{")["points"] == []


def test_connectors_hold_their_places_in_order(web: WebHouse) -> None:
    web.browser("admin").post("/api/devices/import", TABLES)
    heard = [telegram(device=f"f2:{MAC}/J1/{pin}", gateway=f"f2-{MAC}") for pin in ("12", "4", "siren-1")]
    web.center.devices.heard(heard)
    web.center.gateways.heard(heard)
    found = views(web).one(MAC)
    assert (found["state"], found["entered"]) == ("online", True)
    places = {
        connector: [row["component"] for row in rows] for connector, rows in found["connectors"].items()
    }
    assert places == {"J1": ["sensor-3", "sensor-4", "sensor-12", "siren-1"], "J2": ["strike-1"]}
    assert [row["commands"] for row in found["connectors"]["J2"]] == [True]
    [row] = views(web).all()
    assert (row["address"], row["places"], row["known"]) == (MAC, 5, 2)
    templates = {row["name"]: (row["points"], row["devices"]) for row in views(web).templates()}
    assert templates["soil-probe"] == (3, 1)
    assert views(web).template("soil-probe")["file"] == "soil-probe.json"


@pytest.mark.parametrize("address", ["0a1b2c3d4e60", "roof"])
def test_a_controller_that_nobody_knows_is_none(web: WebHouse, address: str) -> None:
    with pytest.raises(ApiError):
        views(web).one(address)


@pytest.mark.parametrize("name", ["water-meter", "bthome", "nothing"])
def test_other_decoders_are_no_templates(web: WebHouse, name: str) -> None:
    with pytest.raises(ApiError):
        views(web).template(name)
