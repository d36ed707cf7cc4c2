"""A controller at a real broker: its tables imported, its sensor read, its strike commanded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from bssci.cli.service_api import ServiceApi
from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from bssci.mqtt.values import Received
from bssci.web.access.accounts import AccountFile
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.controllers import ANSWER, MAC, TABLES, TOPIC, modbus
from tests.support.running_service import free_ports
from tests.support.service import ROOT, ServiceProcess, until
from tests.support.telegrams import as_json

__all__ = ["mosquitto"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto]
STRIKE = f"f2:{MAC}/J2/strike-1"
COMMAND, STATE = (f"{each}/f2-{MAC}/access-control-mode/J2/strike-1" for each in ("cmnd", "stat"))


def run_import(directory: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BSSCI_")}
    return subprocess.run(
        [sys.executable, "-m", "bssci.cli", "devices", "import", "tables.json"],
        cwd=directory,
        env=clean | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto()


@pytest.fixture
def service(tmp_path: Path, broker: Mosquitto) -> Iterator[ServiceProcess]:
    service = ServiceProcess(
        tmp_path / "service", SINKS="file,log", FILE_PATH="events.jsonl", SOURCES="mqtt",
        SOURCE_MQTT_PORT=broker.port, WEB_PORT=free_ports(1)[0],
    )  # fmt: skip
    yield service
    service.end()


async def test_import_readings_and_a_command(service: ServiceProcess, broker: Mosquitto) -> None:
    await service.start()
    await until(lambda: service.said("MQTT connected"))
    (service.directory / "tables.json").write_text(json.dumps(TABLES))
    done = await deferToThread(run_import, service.directory)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "entered 3 devices and 1 model; 1 pin without a device\n"

    commands: list[Any] = []

    def answer(message: Received) -> None:
        commands.append(json.loads(message.payload))
        controller.publish([Publication(STATE, as_json({"timestamp": "2023-05-25 15:14:00", "status": 1}))])

    controller = MqttClient(
        reactor,
        MqttSettings(host="127.0.0.1", port=broker.port, client_id="controller"),
        on_online=lambda: None,
        on_offline=lambda reason: None,
        on_message=answer,
    )
    controller.subscribe([COMMAND])
    controller.start()
    await until(lambda: controller.online)
    said = [modbus(ANSWER), f"{ANSWER} 00 00"]
    stamps = ["2023-05-25 15:13:10.543400", "2023-05-25 15:13:40.543400"]
    await controller.publish(
        [
            Publication(TOPIC, as_json({"timestamp": at, "data": data}))
            for at, data in zip(stamps, said, strict=True)
        ]
    )

    written = service.directory / "events.jsonl"

    def heard() -> list[dict[str, Any]]:
        lines = written.read_text().split("\n")[:-1] if written.exists() else []
        return [line for line in map(json.loads, lines) if line["kind"] == "telegram"]

    await until(lambda: len(heard()) == 2)
    right, wrong = heard()
    assert right["device"] == f"f2:{MAC}/J1/3"
    assert {name: each["value"] for name, each in right["components"].items()} == {
        "temperature": 23.5, "soil_moisture": 50.0, "salt": 7,
    }  # fmt: skip
    assert wrong["decodeError"]["code"] == "checksum"

    accounts = AccountFile.at_command_line(service.directory / "data")
    api = ServiceApi(
        f"http://127.0.0.1:{service.settings['WEB_PORT']}", accounts.create_token("door", "operator")
    )
    asked = deferToThread(api.ask, "POST", f"/api/devices/{STRIKE}/command", {"power-flag": 2, "period": 5})
    found = await asked
    assert found["answered"] and found["state"]["status"] == 1 and found["topic"] == COMMAND
    assert commands == [{"power-flag": 2, "period": 5.0}]
    await controller.stop(1)
    await service.stop()
