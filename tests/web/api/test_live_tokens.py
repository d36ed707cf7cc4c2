"""Tokens for live streams by the API."""

from __future__ import annotations

from bssci.model.live_token import fault_of
from tests.support.web import EPOCH, SENSOR, WebHouse
from tests.web.door.live_door import inside

ROUTE = "/api/mqtt-tokens"


def test_a_token_from_its_creation_to_its_end(web: WebHouse) -> None:
    admin = web.browser("admin")
    wish = {"name": "dash", "description": "the wall", "devices": [SENSOR.lower()], "connections": 2}
    made = admin.post(ROUTE, wish).json()
    assert made["success"] is True
    assert fault_of(made["token"]) is None
    assert made["permissions"] == {"subscribe": ["#"], "publish": []}
    assert round((made["expires_at"] - EPOCH) / 86400) == 90
    [listed] = admin.get(ROUTE).json()["tokens"]
    assert (listed["role"], listed["devices"], listed["tags"]) == ("viewer", [f"mioty:{SENSOR}"], [])
    assert (listed["connections"], listed["max_connections"], listed["last_used_at"]) == (0, 2, None)
    assert "token" not in listed and made["token"] not in str(listed)
    inside(web, made["token"])
    one = admin.get(f"{ROUTE}/{made['token_id']}").json()
    assert (one["connections"], one["last_address"], one["expired"]) == (1, "192.0.2.7", False)
    assert admin.delete(f"{ROUTE}/{made['token_id']}").json() == {"success": True}
    assert admin.get(f"{ROUTE}/{made['token_id']}").status == 404
    assert admin.delete(f"{ROUTE}/{made['token_id']}").status == 404
    audited = [entry for entry in web.audit() if entry[1].startswith("mqtt-token")]
    assert audited == [("admin", "mqtt-token.create", "dash"), ("admin", "mqtt-token.revoke", "dash")]


def test_what_is_wrong_is_named(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert admin.post(ROUTE, {"name": "a b"}).error["field"] == "name"
    assert admin.post(ROUTE, {"name": "a", "topics": ["a/#/b"]}).error["field"] == "topics"
    assert admin.post(ROUTE, {"name": "a", "expires_in_days": 0}).status == 422


def test_only_admins_hand_tokens_out(web: WebHouse) -> None:
    operator = web.browser("operator")
    assert operator.get(ROUTE).status == 403
    assert operator.post(ROUTE, {"name": "a"}).status == 403


def test_figures_of_the_door(web: WebHouse) -> None:
    token = web.browser("admin").post(ROUTE, {"name": "a"}).json()["token"]
    inside(web, token).send(b"\x30\x03\x00\x01a")
    page = web.browser("viewer").get("/metrics").text
    assert "bssci_mqtt_clients 0.0" in page
    assert 'bssci_mqtt_ended_total{reason="publish"} 1.0' in page


def test_the_page_of_accounts_lists_them(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert "No live token yet" in admin.get("/accounts").text
    wish = {"name": "dash", "description": "the wall", "tags": ["cellar"], "topics": ["device/+/telemetry/#"]}
    secret = admin.post(ROUTE, wish).json()["token"]
    page = admin.get("/accounts").text
    assert all(
        text in page for text in ("dash", "the wall", "tagged cellar", "device/+/telemetry/#", "never")
    )
    assert secret not in page
    assert "Live stream tokens" not in web.browser("operator").get("/accounts").text
