"""The running service fills tables, each thing once, over kill -9, a server away and a replay."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest
from twisted.internet.threads import deferToThread

from bssci.web.access.accounts import AccountFile
from tests.sinks.postgres.cluster import Cluster, Database, database, own_cluster, postgres_cluster
from tests.support.running_service import free_ports
from tests.support.service import endpoint, send, until

__all__ = ["database", "own_cluster", "postgres_cluster"]
SENSOR = 0x70B3D56770120002
STATION = 0xCAFE00000000B002
WAIT = 40.0
"""s: a server that starts, and a sink that connects anew, on a busy machine"""
FIRST, SECOND = range(100), range(100, 200)


def blueprint(version: str, unit: str) -> str:
    payload = [
        {"name": "level", "size": 8, "type": "uint", "unit": unit},
        {"name": "x", "size": 8, "type": "uint"},
    ]
    return json.dumps({"version": version, "uplink": [{"payload": payload}]})


def stored(tables: Database) -> tuple[int, int, int]:
    """Rows of ``raw`` and of ``reading``, and the count of the device."""
    if not tables.query("SELECT 1 FROM pg_tables WHERE tablename = 'device'"):
        return 0, 0, 0
    counts = "SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM reading), coalesce(sum(count), 0)"
    [found] = tables.query(f"{counts} FROM device")
    return int(found[0]), int(found[1]), int(found[2])


@pytest.mark.postgres
async def test_each_reading_is_in_the_table_once(make_service, stations, own_cluster: Cluster) -> None:
    tables = own_cluster.create_database()
    port = free_ports(1)[0]
    service = make_service(
        SINKS="postgres",
        POSTGRES_HOST=own_cluster.host,
        POSTGRES_DB=tables.name,
        POSTGRES_USER=own_cluster.user,
        POSTGRES_BATCH_TIMEOUT=0.1,
        WEB_PORT=port,
    )
    service.configure([endpoint(SENSOR, decoder="tank", name="Tank", tags=["yard"])])
    (service.directory / "decoders").mkdir()
    file = service.directory / "decoders" / "tank.json"
    file.write_text(blueprint("1", "cm"))
    token = AccountFile(service.directory / "data", time.time).create_token("test", "admin")

    def replay() -> dict[str, Any]:
        body = json.dumps({"sink": "postgres", "from": 0, "to": "2100-01-01T00:00:00Z"}).encode()
        head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/api/replays", body, head)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return dict(json.load(answer))

    await service.start()
    stations.append(service.station(STATION))
    await stations[-1].when_connected()
    for counter in FIRST:
        sent = send(stations[-1], SENSOR, counter, bytes([counter, 1]))
    await sent
    await until(lambda: stored(tables) == (100, 200, 100), WAIT)

    own_cluster.stop()
    for counter in SECOND:
        sent = send(stations[-1], SENSOR, counter, bytes([counter, 1]))
    await sent
    service.kill()
    file.write_text(blueprint("2", "mm"))
    own_cluster.start()
    await service.start()
    await until(lambda: stored(tables) == (200, 400, 200), WAIT)
    assert tables.query("SELECT name, tags, decoder FROM device") == [("Tank", ["yard"], "tank@2")]

    await deferToThread(replay)
    await until(lambda: tables.query("SELECT DISTINCT decoder FROM reading") == ["tank@2"], WAIT)
    assert stored(tables) == (200, 400, 200)
    await service.stop()
