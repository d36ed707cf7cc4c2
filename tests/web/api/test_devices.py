"""Devices and gateways by HTTP: listed, entered in one step, blocked, forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse

TAG = "ble:AA:BB:CC:DD:EE:01"
PIN = "f2:0a1b2c3d4e5f/J1/3"


@pytest.fixture
def house(web: WebHouse) -> WebHouse:
    heard = [
        telegram(1, device=TAG, rssi=-70.0, envelope={"manufacturer_data": {"0x0499": "AA=="}}),
        telegram(2, device=PIN, gateway="f2-0a1b2c3d4e5f", envelope={"direction": "tele"}),
        telegram(3, device="ble:4A:00:00:00:00:01", envelope={"device": {"address_type": "random"}}),
    ]
    web.center.devices.heard(heard)
    web.center.gateways.heard(heard)
    return web


def ids(house: WebHouse, query: str = "") -> list[str]:
    answer = house.browser("viewer").get(f"/api/devices{query}")
    assert answer.status == 200, answer.text
    return sorted(row["id"] for row in answer.json()["devices"])


def test_everything_that_sends_is_listed(house: WebHouse) -> None:
    sensor = f"mioty:{SENSOR}"
    assert ids(house) == sorted([TAG, PIN, "ble:4A:00:00:00:00:01", sensor])
    assert ids(house, "?kind=mioty") == [sensor]
    assert ids(house, "?state=unknown") == [TAG, PIN]
    assert ids(house, "?state=changing") == ["ble:4A:00:00:00:00:01"]
    assert ids(house, "?q=RUUVI") == [TAG]
    assert ids(house, "?per_page=2&page=2") != ids(house, "?per_page=2")


def test_one_step_makes_a_device_known(house: WebHouse) -> None:
    browser = house.browser("operator")
    answer = browser.patch(f"/api/devices/{PIN}", {})
    assert answer.status == 200 and answer.json()["state"] == "known"
    changes = {
        "name": "Soil", "tags": ["field"], "location": {"lat": 48.1, "lon": 11.5, "text": "north"},
        "decoder": "soil", "parameters": {"key": "5EC2E7"},
    }  # fmt: skip
    said = browser.patch(f"/api/devices/{PIN}", changes).json()
    assert (said["name"], said["location"]) == ("Soil", changes["location"])
    assert said["parameters"] == {"key": "********"}
    assert (said["parent"], said["port"]) == ("f2:0a1b2c3d4e5f", "J1/3")
    assert "5EC2E7" not in browser.get(f"/api/devices/{PIN}").text
    assert ids(house, "?state=known&q=soil") == [PIN]


def test_a_device_is_blocked_and_removed(house: WebHouse) -> None:
    browser = house.browser("operator")
    assert browser.patch(f"/api/devices/{TAG}", {"blocked": True}).json()["state"] == "blocked"
    assert browser.delete(f"/api/devices/{TAG}").status == 200
    assert browser.get(f"/api/devices/{TAG}").status == 404
    assert browser.delete(f"/api/devices/{TAG}").status == 404


@pytest.mark.parametrize(
    ("id", "body", "status"),
    [
        (f"mioty:{SENSOR}", {"name": "x"}, 409),
        ("nonsense", {"name": "x"}, 422),
        (TAG, {"name": "x" * 300}, 422),
        (TAG, {"location": {"lat": 91}}, 422),
        (TAG, {"colour": "red"}, 422),
        (TAG, {"parameters": {"key": "x" * 10_000}}, 422),
        (TAG, {"parameters": {"key": 10**30}}, 422),
    ],
)
def test_what_cannot_be_is_refused(house: WebHouse, id: str, body: dict[str, Any], status: int) -> None:
    assert house.browser("operator").patch(f"/api/devices/{id}", body).status == status


def test_a_viewer_changes_nothing(house: WebHouse) -> None:
    assert house.browser("viewer").patch(f"/api/devices/{TAG}", {}).status == 403
    assert house.browser("viewer").delete("/api/gateways/scanner:roof").status == 403


def test_gateways_are_listed_named_and_forgotten(house: WebHouse) -> None:
    browser = house.browser("operator")
    listed = browser.get("/api/gateways").json()
    assert [row["id"] for row in listed["gateways"]] == ["controller:f2-0a1b2c3d4e5f", "scanner:roof"]
    assert listed["counts"]["scanner"]["online"] == 1
    said = browser.patch("/api/gateways/scanner:roof", {"name": "Roof", "note": "ladder"}).json()
    assert (said["name"], said["note"], said["devices"]) == ("Roof", "ladder", 2)
    assert browser.delete("/api/gateways/scanner:roof").status == 200
    assert browser.get("/api/gateways/scanner:roof").status == 404


def test_metrics_count_them(house: WebHouse) -> None:
    text = house.browser("viewer").get("/metrics").text
    assert 'bssci_gateways{kind="scanner",state="online"} 1.0' in text
    assert 'bssci_devices{state="unknown"} 2.0' in text
