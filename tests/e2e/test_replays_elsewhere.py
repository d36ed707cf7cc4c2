"""Replays by a better decoder into a real PostgreSQL and to a real web server, over a kill -9."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from bssci.sinks.webhook import parse_secret, sign
from bssci.web.access.accounts import AccountFile
from tests.sinks.postgres.cluster import Database, database, postgres_cluster
from tests.support.running_service import free_ports
from tests.support.service import ServiceProcess, endpoint, send, until

__all__ = ["database", "postgres_cluster"]

SENSOR = 0x70B3D56770130001
STATION = 0xCAFE00000000B003
UPLINKS = 1500
SPAN = {"from": 0, "to": "2100-01-01T00:00:00Z"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE = 60.0
"""s for what two servers and the service do together on a busy machine"""


def blueprint(version: str, factor: int) -> str:
    fields = [
        {"name": "level", "size": 8, "type": "uint", "func": f"$ * {factor}"},
        {"name": "mistaken" if factor == 1 else "rest", "size": 8, "type": "uint", "hidden": factor != 1},
    ]
    return json.dumps({"version": version, "uplink": [{"payload": fields}]})


class Hook(BaseHTTPRequestHandler):
    """Takes batches, each with its signature looked at."""

    taken: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        identity, timestamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        right = self.headers["webhook-signature"] == sign(parse_secret(SECRET), identity, timestamp, body)
        self.send_response(204 if right else 401)
        self.end_headers()
        if right:
            self.taken += [event for event in json.loads(body)["events"] if event["kind"] == "uplink"]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """URL of a web server, and the uplinks that it was given."""
    taken: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHook", (Hook,), {"taken": taken}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/in", taken
    server.shutdown()
    server.server_close()


class Api:
    """The service's API, as an admin asks it."""

    def __init__(self, service: ServiceProcess) -> None:
        self._port = service.settings["WEB_PORT"]
        self._token = AccountFile(service.directory / "data", time.time).create_token("test", "admin")

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return dict(await deferToThread(self._ask, method, path, body))

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    async def replayed(self, sink: str) -> dict[str, Any]:
        """Wait until the newest replay of a sink is over."""
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end
            try:
                replays = (await self.ask("GET", "/api/replays"))["replays"]
            except OSError:
                replays = []  # the service starts
            for replay in (each for each in replays if each["sink"] == sink):
                assert not replay["trouble"], replay
                if replay["state"] == "done":
                    return dict(replay)
            await deferLater(reactor, 0.2)


async def decoder_is(api: Api, version: str) -> None:
    """Wait until the service uses a version of the decoder."""
    end = time.monotonic() + PATIENCE
    while True:
        decoders = (await api.ask("GET", "/api/decoders"))["decoders"]
        if any(each["name"] == "meter" and each["version"] == version for each in decoders):
            return
        assert time.monotonic() < end, decoders


def rows(database: Database, name: str) -> list[Any]:
    """Return decoder, rows, uplinks and sum of the values of a name; nothing before there are tables."""
    if database.query("SELECT to_regclass('reading')::text") == [None]:
        return []
    sums = "SELECT decoder, count(*), count(DISTINCT id), sum(value)::float FROM reading"
    return database.query(f"{sums} WHERE name = %s GROUP BY decoder", name)


@pytest.mark.parts
@pytest.mark.timeout(180)
@pytest.mark.postgres
async def test_a_better_decoder_replaces_what_an_earlier_one_read(
    make_service, stations, database: Database, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, taken = hook
    service = make_service(
        SINKS="postgres,webhook",
        WEB_PORT=free_ports(1)[0],
        POSTGRES_HOST=database.cluster.host,
        POSTGRES_DB=database.name,
        POSTGRES_USER=database.cluster.user,
        POSTGRES_BATCH_TIMEOUT=0.1,
        WEBHOOK_URL=url,
        WEBHOOK_SECRET=SECRET,
    )
    service.configure([endpoint(SENSOR, decoder="meter")])
    decoders = service.directory / "decoders"
    decoders.mkdir()
    (decoders / "meter.json").write_text(blueprint("1", 1))
    await service.start()
    api = Api(service)
    stations.append(service.station(STATION))
    await stations[-1].when_connected()
    for counter in range(UPLINKS):
        sent = send(stations[-1], SENSOR, counter, bytes([counter % 100, 7]))
    await sent
    total = float(sum(counter % 100 for counter in range(UPLINKS)))
    await until(lambda: rows(database, "level") == [("meter@1", UPLINKS, UPLINKS, total)], PATIENCE)
    assert rows(database, "mistaken") == [("meter@1", UPLINKS, UPLINKS, 7.0 * UPLINKS)]
    await until(lambda: len(taken) >= UPLINKS, PATIENCE)
    first = Counter(event["id"] for event in taken)
    assert len(first) == UPLINKS

    (decoders / "meter.json").write_text(blueprint("2", 3))
    await decoder_is(api, "2")
    for sink in ("postgres", "webhook"):
        begun = await api.ask("POST", "/api/replays", {"sink": sink, **SPAN})
        assert begun["replay"]["state"] in ("waiting", "running")
    service.kill()
    await service.start()
    assert (await api.replayed("postgres"))["delivered"] >= UPLINKS
    assert (await api.replayed("webhook"))["delivered"] >= UPLINKS

    assert rows(database, "level") == [("meter@2", UPLINKS, UPLINKS, 3 * total)]
    assert rows(database, "mistaken") == []
    assert database.query("SELECT count(*) FROM raw") == [UPLINKS]
    assert database.query("SELECT count FROM device") == [UPLINKS]
    assert database.query("SELECT count(*) FROM set_aside") == [0]
    again = [event for event in taken if event["decoder"] == "meter@2"]
    assert {event["id"] for event in again} == set(first)
    assert {(event["cnt"] % 100 * 3) == event["components"]["level"]["value"] for event in again} == {True}
