"""From the air to a table: bluetoothd, scanner, broker, service, decoder, PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread

from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.scanner.scanning import Bluetooth
from tests.sinks.postgres.cluster import Database, database, postgres_cluster
from tests.support.service import ServiceProcess, until
from tests.support.telegrams import ADDRESS

__all__ = ["database", "mosquitto", "postgres_cluster"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto, pytest.mark.postgres]
ATC = "0000181a-0000-1000-8000-00805f9b34fb"
READINGS = "SELECT device_address, sensor_type, readings ->> 'temperature' FROM sensor_readings"


async def test_an_advertisement_is_a_row(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto], database: Database
) -> None:
    broker = mosquitto()
    service = ServiceProcess(
        tmp_path / "service",
        SINKS="postgres,log", SOURCES="mqtt", SOURCE_MQTT_PORT=broker.port,
        POSTGRES_HOST=database.cluster.host, POSTGRES_DB=database.name, POSTGRES_USER=database.cluster.user,
        POSTGRES_BATCH_TIMEOUT=0.1,
    )  # fmt: skip
    configuration = tmp_path / "scanner.yaml"
    configuration.write_text(f"scanner: {{id: roof}}\nmqtt: {{broker: 127.0.0.1, port: {broker.port}}}\n")
    number = 0
    found: list[tuple[object, ...]] = []

    def is_stored() -> bool:
        """Hear something new again and again, until the first of it is there."""
        nonlocal number
        number = (number + 1) % 256
        bluetooth.hear(ADDRESS, rssi=-71, service={ATC: f"a4c13800000100c8325a0bb8{number:02x}"})
        if service.said("PostgreSQL connected") and number % 10 == 0:  # the tables are there
            found[:] = database.query(READINGS)
        return bool(found)

    try:
        with Bluetooth() as bluetooth:
            await service.start()
            bluetooth.scan("--config", str(configuration), cwd=tmp_path)
            await deferToThread(bluetooth.said)
            await until(is_stored)
        assert found[0] == (ADDRESS, "atc", "20")
    finally:
        service.end()
