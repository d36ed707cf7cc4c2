"""A replay that a kill -9 interrupts goes on in the next run, decoded by the decoders of then."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from bssci.sinks.replays import BATCH
from bssci.web.access.accounts import AccountFile
from tests.support.running_service import free_ports
from tests.support.service import endpoint, send, until

SENSOR = 0x70B3D56770120001
STATION = 0xCAFE00000000B001
UPLINKS = 2000
SPAN = {"from": 0, "to": "2100-01-01T00:00:00Z"}


def blueprint(version: str) -> str:
    payload = [{"name": "level", "size": 8, "type": "uint"}]
    return json.dumps({"version": version, "uplink": [{"payload": payload}]})


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the uplinks in whole lines; the last may be being written."""
    text = file.read_text() if file.exists() else ""
    written = [json.loads(line) for line in text.split("\n")[:-1]]
    return [line for line in written if line["kind"] == "uplink"]


async def test_a_replay_goes_on_after_kill_9(make_service, stations) -> None:
    port = free_ports(1)[0]
    service = make_service(SINKS="file", FILE_PATH="events.jsonl", WEB_PORT=port)
    service.configure([endpoint(SENSOR, decoder="meter")])
    decoders = service.directory / "decoders"
    decoders.mkdir()
    (decoders / "meter.json").write_text(blueprint("1"))
    token = AccountFile(service.directory / "data", time.time).create_token("test", "admin")
    events = service.directory / "events.jsonl"

    def ask(method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/replays",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    await service.start()
    stations.append(service.station(STATION))
    await stations[-1].when_connected()
    for counter in range(UPLINKS):
        sent = send(stations[-1], SENSOR, counter, bytes([counter & 0xFF]))
    await sent
    await until(lambda: len(lines(events)) == UPLINKS)
    assert {line["decoder"] for line in lines(events)} == {"meter@1"}
    begun = await deferToThread(ask, "POST", {"sink": "file", **SPAN})
    service.kill()
    (decoders / "meter.json").write_text(blueprint("2"))
    assert begun["replay"]["state"] in ("waiting", "running")
    await service.start()
    await until(lambda: min(Counter(line["cnt"] for line in lines(events)).values()) >= 2)
    ids = {line["id"] for line in lines(events)}
    assert len(ids) == UPLINKS
    (stands,) = (await deferToThread(ask, "GET"))["replays"]
    assert stands["delivered"] >= UPLINKS - BATCH
    assert lines(events)[-1]["decoder"] == "meter@2"
