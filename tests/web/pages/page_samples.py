"""What the pages of a service at work are given, taken from its own routes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from twisted.logger import LogLevel

from bssci.center.alarms.conditions import Condition
from bssci.center.replays import ReplayListener
from bssci.stations.causes import BLOCKED
from bssci.web.monitoring.sampler import Sampler
from bssci.web.pages import table as pages
from bssci.wire.messages import Status, StatusRsp
from tests.support.center import Line, sensor_entry, sensor_eui
from tests.support.controllers import MAC
from tests.support.decoders import METER, ORDINARY, outside_with_decoders
from tests.support.telegrams import telegram
from tests.support.web import WebHouse, quick_parts
from tests.support.wire import uplink

STATION = "CAFEBA5E00000001"
DEVICE = "ble:AA:BB:CC:DD:EE:FF"
REPLAY: dict[str, Any] = {
    "id": 3, "sink": "postgres", "from": 1_700_000_000.0, "to": 1_700_003_600.0, "devices": [DEVICE],
    "state": "running", "progress": 0.5, "delivered": 12, "trouble": "the server is away", "asked_by": "anna",
    "asked_at": 1_700_010_000.0, "ended_at": None,
}  # fmt: skip

ASKED: list[tuple[str, dict[str, Any]]] = [
    (
        "/api/base_stations",
        {"eui": STATION, "name": "Roof 1", "location": {"text": "Hall 3"}, "tags": ["north"]},
    ),
    ("/api/base_stations", {"eui": "CAFEBA5E00000008", "blocked": True}),
    (
        "/api/sensors",
        sensor_entry(bidi=True, typeEui=METER, name="Water meter", tags=["water"], interval=900),
    ),
    (f"/api/sensors/{sensor_eui(1)}/downlink", {"data": "01ff", "ref": "valve"}),
    ("/api/provisioned", {"id": "roof"}),
    ("/api/tokens", {"name": "grafana", "role": "viewer"}),
    ("/api/mqtt-tokens", {"name": "display"}),
]


class Replays:
    """A replay that runs, and one that is over."""

    def listen(self, listener: ReplayListener) -> None:
        """Nothing is published again."""

    def sinks(self) -> dict[str, bool]:
        return {"postgres": False, "mqtt": True}

    def listed(self) -> list[dict[str, Any]]:
        return [REPLAY, REPLAY | {"id": 2, "devices": [], "state": "done", "ended_at": REPLAY["asked_at"]}]


@cache
def samples() -> dict[str, dict[str, Any]]:
    """Return what an administrator's pages are made of, by their templates."""
    found: dict[str, dict[str, Any]] = {}

    def keep(template: str, **data: Any) -> str:
        found[template] = data
        return ""

    with TemporaryDirectory() as directory, quick_parts():
        outside = replace(outside_with_decoders(Path(directory, "decoders")), replays=Replays())
        web = WebHouse(Path(directory), sensors=60, outside=outside, timezone="Europe/Berlin")
        fill(web)
        with patch.object(pages, "render", keep):
            browser = web.browser("admin")
            for path in (*map(path_of, pages.PAGES), f"/sensors/{sensor_eui(1)}/readings", "/nothing"):
                browser.get(path)
            web.browser().get("/login")
        web.close()
    return found | {"setup.html": {**found["login.html"], "token": "t"}}


def path_of(page: pages.Page) -> str:
    eui = STATION if page.path.startswith("/stations") else sensor_eui(1)
    path = page.path.replace("<eui>", eui).replace("<id>", DEVICE)
    path = path.replace("<gateway>", "scanner:roof").replace("<address>", MAC)
    path = path.replace("<template>", "garden-probe")
    return path.replace("<name>", "water-meter").replace("<device>", "roof")


def fill(web: WebHouse) -> None:
    """Have something of each kind happen."""
    Sampler(web.clock, web.now, web.center, web.admin.context.figures).start()
    admin = web.browser("admin")
    for path, body in ASKED:
        answer = admin.post(path, body)
        assert answer.status == 200, (path, answer.text)
    first, lost, beginning = lines = [Line(web, int(STATION, 16) + number) for number in range(3)]
    for line in lines[:2]:
        line.connect()
    lost.lose()
    beginning.begin()
    web.browser().log_in("nobody", "a wrong password")
    web.admin.context.logbook(
        {"log_format": "all is well", "log_level": LogLevel.warn, "log_time": web.now()}
    )
    web.center.refused_stations.add("198.51.100.7", BLOCKED, "CAFEBA5E00000009")
    web.advance(web.center.registry.status_interval)
    [asked] = first.take(Status)[-1:]
    first.say(
        StatusRsp(opId=asked.opId, code=0, message="ok", cpuLoad=0.4, memLoad=0.5, dutyCycle=0.01, temp=40.0)
    )
    for counter in range(1, 9):
        hears(first, counter)
        web.advance(60)
    hears(first, 9, userData=[1])
    hears(first, 1, epEui=0x70B3D59CDFFFFFFF)
    heard = [telegram(number, device=f"ble:AA:BB:CC:DD:EE:F{number}") for number in range(4)]
    report = {"status": "degraded", "bluetooth": {"status": "stopped"}, "metrics": {"devices_seen": 12}}
    heard.append(telegram(5, device="scanner:roof", envelope=report))
    heard += [
        telegram(10 + number, device=f"f2:{MAC}/{port}", gateway=f"f2-{MAC}")
        for number, port in enumerate(("J1/3", "J2/strike-1", "J3/siren-1"))
    ]
    web.center.devices.heard([telegram(device=DEVICE), *heard])
    web.center.gateways.heard(heard)
    wrong = [
        Condition(f"station-offline:{number}", "error", f"Station {number} is offline", "/stations")
        for number in range(3)
    ]
    web.center.alarms.evaluate({"station-offline"}, wrong)
    web.center.alarms.evaluate({"station-offline"}, wrong[:2])
    errors = Condition(f"protocol-errors:{STATION}", "warning", "Many protocol errors", "/stations")
    web.center.alarms.evaluate({"protocol-errors"}, [errors])
    web.advance(600)


def hears(line: Line, counter: int, **changes: Any) -> None:
    sensor, data = int(sensor_eui(1), 16), list(bytes.fromhex(ORDINARY))
    values = {"epEui": sensor, "packetCnt": counter, "userData": data, "rxTime": int(line.house.now() * 1e9)}
    line.op_id += 1
    line.say(uplink(line.op_id, **(values | changes)))
