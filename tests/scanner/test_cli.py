"""``bssci scan`` as a process: what it prints, and from the air to the sinks of a service."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread

from bssci.scanner.cli import add_arguments, client_settings, run
from bssci.scanner.configuration import MqttPart, ScannerConfiguration, ScannerPart
from tests.e2e.subscriber import Subscriber
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.scanner.scanning import Bluetooth
from tests.support.service import ServiceProcess, until

__all__ = ["mosquitto"]
ADDRESS = "A4:C1:38:00:00:01"
ATC = {"0000181a-0000-1000-8000-00805f9b34fb": "a4c13800000100c8325a0bb807"}


def test_the_last_will_says_offline() -> None:
    configuration = ScannerConfiguration(
        scanner=ScannerPart(id="roof"),
        mqtt=MqttPart(broker="b", port=8883, tls=True, username="u", password="p"),
    )
    settings = client_settings(configuration)
    topic, payload = settings.will
    assert topic == "bt-mqtt/scanner/roof/status"
    assert json.loads(payload)["status"] == "offline"
    assert settings.retained_will
    assert (settings.host, settings.port, settings.tls, settings.client_id) == (
        "b",
        8883,
        True,
        "bssci-scan-roof",
    )


def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--config", str(tmp_path / "none.yaml")])) == 1
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path / 'none.yaml'}: No such file or directory\n"


@pytest.mark.parts
@pytest.mark.parametrize(("options", "word"), [((), "monitor"), (("--no-passive",), "discovery")])
def test_a_dry_run_prints_what_it_hears(options: tuple[str, ...], word: str, tmp_path: Path) -> None:
    with Bluetooth(*options) as bluetooth:
        process = bluetooth.scan("--dry-run", cwd=tmp_path)
        assert bluetooth.said() == word, "passive where the adapter can, else active"
        bluetooth.hear(
            ADDRESS, rssi=-70, type="random", name="meter", service=ATC, manufacturer={"76": "0215"}
        )
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
    assert said["device"] == {"address": ADDRESS, "address_type": "random", "rssi": -70, "name": "meter"}
    assert said["manufacturer_data"] == {"0x004c": "AhU="}
    assert set(said["service_data"]) == set(ATC)


@pytest.mark.parts
@pytest.mark.mosquitto
async def test_from_the_air_to_a_sink(tmp_path: Path, mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto()
    service = ServiceProcess(
        tmp_path / "service",
        SINKS="mqtt,log", MQTT_PORT=broker.port, SOURCES="mqtt", SOURCE_MQTT_PORT=broker.port,
    )  # fmt: skip
    (tmp_path / "scanner.yaml").write_text(
        f"scanner: {{id: roof}}\nmqtt: {{broker: 127.0.0.1, port: {broker.port}}}\n"
    )
    status, telegrams = "bt-mqtt/scanner/roof/status", f"device/ble:{ADDRESS}/ul"
    subscriber = Subscriber(broker.port, "mioty/#", status)
    number = 0

    def is_told() -> bool:
        """Hear something new again and again: who subscribes late gets the next."""
        nonlocal number
        number = (number + 1) % 256
        bluetooth.hear(ADDRESS, rssi=-71, service=dict.fromkeys(ATC, f"a4c13800000100c8325a0bb8{number:02x}"))
        return bool(subscriber.on(telegrams))

    try:
        with Bluetooth() as bluetooth:
            await service.start()
            await subscriber.online()
            process = bluetooth.scan("--config", "scanner.yaml", cwd=tmp_path)
            await deferToThread(bluetooth.said)
            await until(is_told)
            said = subscriber.on(telegrams)[0]
            assert said["components"]["temperature"] == {"value": 20.0, "unit": "°C"}
            assert (said["gateway"], said["rssi"]) == ("roof", -71)
            assert subscriber.on(status)[0]["status"] == "online"
            process.kill()
            await until(lambda: subscriber.on(status)[-1]["status"] == "offline")
    finally:
        await subscriber.stop()
        service.end()
