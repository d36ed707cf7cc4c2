"""From a scanner's and a controller's topic to the views that others query, and to every other sink."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet import reactor

from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.sinks.postgres.cluster import Database, database, postgres_cluster
from tests.support.service import ServiceProcess, until
from tests.support.telegrams import ADDRESS, advertisement, as_json

__all__ = ["database", "mosquitto", "postgres_cluster"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto, pytest.mark.postgres]
RULES = [{"topic": "weather/{device}", "kind": "weather", "values": {"temperature": "t"}}]
SENT = [
    ("bt-mqtt/raw/roof", advertisement(1)),
    ("bt-mqtt/raw/roof", advertisement(2)),
    ("bt-mqtt/scanner/roof/status", {"version": "1.0", "scanner_id": "roof", "status": "online"}),
    ("weather/north", {"t": 21.5}),
    (
        "tele/f2-0a1b2c3d4e5f/sensor-mode/J1/sensor-3",
        {"timestamp": "2023-05-25 15:13:10.543400", "data": "01 03 02 00 C8 B9 D2"},
    ),
    ("bt-mqtt/raw/roof", {"version": "9.0"}),
]


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto()


@pytest.fixture
def service(tmp_path: Path, broker: Mosquitto, database: Database) -> Iterator[ServiceProcess]:
    service = ServiceProcess(
        tmp_path / "service",
        SINKS="postgres,file,log", FILE_PATH="events.jsonl", SOURCES="mqtt",
        SOURCE_MQTT_PORT=broker.port, SOURCE_MQTT_RULES=json.dumps(RULES),
        POSTGRES_HOST=database.cluster.host, POSTGRES_DB=database.name, POSTGRES_USER=database.cluster.user,
        POSTGRES_BATCH_TIMEOUT=0.1,
    )  # fmt: skip
    yield service
    service.end()


async def test_what_gateways_publish_stands_in_the_views(
    service: ServiceProcess, broker: Mosquitto, database: Database
) -> None:
    # The persistent session is there before anything is sent.
    await service.start()
    await until(lambda: service.said("MQTT connected"))
    await service.stop()
    client = MqttClient(
        reactor,
        MqttSettings(host="127.0.0.1", port=broker.port, client_id="gateways"),
        on_online=lambda: None,
        on_offline=lambda reason: None,
        on_message=lambda message: None,
    )
    client.start()
    await until(lambda: client.online)
    await client.publish([Publication(topic, as_json(body)) for topic, body in SENT])
    await client.stop(1)
    await service.start()
    written = service.directory / "events.jsonl"
    await until(lambda: written.exists() and written.read_text().count('"telegram"') >= 5)

    def rows(query: str) -> list[tuple[object, ...]]:
        return database.query(query)

    await until(lambda: service.said("PostgreSQL connected"))  # the tables are there
    await until(lambda: len(rows("SELECT 1 FROM raw")) == 5)
    assert rows("SELECT DISTINCT scanner_id, device_address, device_name, rssi FROM raw_advertisements") == [
        ("roof", ADDRESS, "ATC_000001", -71.0)
    ]
    readings = rows("SELECT sensor_type, readings ->> 'temperature' FROM sensor_readings ORDER BY 1, 2")
    assert readings == [("atc", "20"), ("atc", "20"), ("values", "21.5")]
    assert ("roof", "online") in rows("SELECT scanner_id, status FROM scanners")
    assert rows("SELECT parent, port FROM device WHERE id = 'f2:0a1b2c3d4e5f/J1/3'") == [
        ("f2:0a1b2c3d4e5f", "J1/3")
    ]
    assert service.said("another version than 1")
    await service.stop()
