"""Every answer to a request that only reads: no secret in it, whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bssci.settings.rows import MASK
from bssci.web.access.accounts import ROLES, Role
from bssci.web.access.live_tokens import Wish
from bssci.web.http.routing import Route
from tests.support.web import SENSOR, WebHouse, sensor_entry

NETWORK_KEY = "C0FFEE00C0FFEE11C0FFEE22C0FFEE33"
METER_KEY = "5EC2E700C0FFEE11C0FFEE22C0FFEE33"
DEVICE = "ble:AA:BB:CC:DD:EE:FF"
VALUES = {
    "DSN": "postgresql://u:secret-of-it@db.example/x",
    "URL": "https://u:secret-of-it@hooks.example/",
    "KEYS": f"KAM-12345678={METER_KEY}",
}
"""values of secret settings by the end of their name; of others a text"""
NAMES = {
    "eui": SENSOR,
    "queId": "1",
    "seq": "1",
    "file": "ca",
    "name": "water-meter",
    "address": "0a1b2c3d4e5f",
}
LIVE, BACKUP = "/api/live", "/api/certificates/backup"


def path_of(route: Route, device: str) -> str:
    path = route.path.replace("{id}", device)
    for name, value in NAMES.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def with_secrets(web: WebHouse) -> list[str]:
    """Give the house a secret of each kind; return them all."""
    admin = web.browser("admin")
    secrets = {
        "secret-of-it",
        NETWORK_KEY,
        NETWORK_KEY.lower(),
        METER_KEY,
        "m-bus-key",
        "bind-key",
        "PRIVATE KEY",
    }
    rows = web.configuration.catalogue.rows.values()
    settings = {
        row.name: VALUES.get(row.name.rpartition("_")[2], "secret-of-it") for row in rows if row.secret
    }
    names = {
        name.replace("PASSWORD", "USERNAME"): "user" for name in settings if name.endswith("MQTT_PASSWORD")
    }
    assert admin.post("/api/config", names | settings).status == 200
    sensor = sensor_entry(nwKey=NETWORK_KEY, decoderParameters={"key": "m-bus-key"}, name="Meter")
    assert admin.post("/api/sensors", sensor).status == 200
    assert admin.patch(f"/api/devices/{DEVICE}", {"parameters": {"bindkey": "bind-key"}}).status == 200
    secrets |= {admin.post("/api/tokens", {"name": "reader", "role": "viewer"}).json()["token"]}
    secrets |= {web.file.create_live_token(Wish(name="wall"))[0], *admin.cookies.values(), admin.csrf}
    kept = web.file.read()
    return [*secrets, *(each.digest for each in (*kept.tokens, *kept.live_tokens))]


@pytest.mark.parametrize("role", ROLES)
def test_no_answer_holds_a_secret(make_web_house: Callable[..., WebHouse], role: Role) -> None:
    web = make_web_house()
    secrets = with_secrets(web)
    browser = web.browser(role)
    assert MASK in browser.get("/api/config").text
    for route in web.admin.routes:
        if route.method != "GET" or route.path == LIVE or (route.path, role) == (BACKUP, "admin"):
            continue
        for device in (f"mioty:{SENSOR}", DEVICE):
            text = browser.get(path_of(route, device)).body.decode("latin-1")
            assert [secret for secret in secrets if secret in text] == [], (route.path, device)
