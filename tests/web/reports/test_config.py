from __future__ import annotations

from collections.abc import Callable

from tests.support.settings import CATALOGUE
from tests.support.web import WebHouse


def test_settings_are_shown_with_where_they_come_from_and_secrets_masked(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house(**{"mqtt-username": "me", "mqtt-password": "topsecret"})
    answer = web.browser("viewer").get("/api/config")
    assert "topsecret" not in answer.text
    config = answer.json()
    assert config["MQTT_PASSWORD"] == "********" and config["STATUS_INTERVAL"] == 300
    entries = {each["name"]: each for each in config["settings"]}
    assert entries.keys() == CATALOGUE.rows.keys()
    assert entries["MQTT_USERNAME"]["origin"] == "command line"
    assert not entries["MQTT_USERNAME"]["editable"] and entries["LISTEN_PORT"]["editable"]
    assert all(each["group"] != "Other" for each in entries.values())
    fixed = web.browser("admin").post("/api/config", {"MQTT_USERNAME": "you"})
    assert fixed.status == 409 and fixed.error["field"] == "MQTT_USERNAME"


def test_the_page_of_settings_is_json_for_a_program(web: WebHouse) -> None:
    json = {"Accept": "application/json"}
    viewer = web.browser("viewer")
    assert viewer.get("/config", headers=json).json() == viewer.get("/api/config").json()
    assert viewer.get("/config", headers={"Accept": "text/html, */*"}).text.startswith("<!")
    refused = web.browser().get("/config", headers=json)
    assert refused.status == 401 and refused.error["code"] == "unauthorized"
