"""The scanners and the controller of the demo."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bssci import extensions
from bssci.cli import demo_gateways
from bssci.cli.service_api import RefusedError, ServiceUnavailableError
from bssci.decoders.datapoints import DataPoints, parse_datapoints
from bssci.decoders.interfaces import Payload
from bssci.settings.table import Settings
from bssci.simulator.controllers import FIRST_MAC, soil_answer
from bssci.simulator.gateway_options import gateway_plan_from
from bssci.simulator.station_options import station_plan_from
from tests.simulator.simulation import parse

DECODERS = Path(__file__).parent.parent.parent / "decoders"


def loaded(**environ: str) -> tuple[Settings, dict[str, Any], Any]:
    chosen, origins, _, _ = extensions.discover().catalogue.load({}, environ, Path(os.devnull))
    return chosen, {name: chosen.value(name) for name in origins}, origins


def options(**environ: str) -> dict[str, Any]:
    chosen, values, origins = loaded(**environ)
    return demo_gateways.source_options(values, origins, chosen.sources)


def test_the_source_hears_the_broker_of_the_sink() -> None:
    assert options() == {
        "sources": "mqtt", "source-mqtt-broker": "embedded", "source-mqtt-port": 1883,
        "source-mqtt-transport": "tcp", "source-mqtt-path": "/mqtt",
    }  # fmt: skip
    found = options(MQTT_BROKER="there", MQTT_PORT="8883", MQTT_TLS="true", MQTT_USERNAME="me")
    assert found["source-mqtt-broker"] == "there"
    assert (found["source-mqtt-port"], found["source-mqtt-tls"]) == (8883, "true")
    assert found["source-mqtt-username"] == "me"


def test_a_source_of_ones_own_stays() -> None:
    assert options(SOURCES="mqtt", SOURCE_MQTT_BROKER="other") == {}
    assert options(SOURCES="kafka", SOURCE_MQTT_BROKER="other") == {"sources": "kafka,mqtt"}


def simulated(**environ: str) -> list[str]:
    found = demo_gateways.simulator_options(loaded(**environ)[0])
    return [f"--{name}" if value is None else f"--{name}={value}" for name, value in found.items()]


def test_the_simulator_goes_to_the_source_broker() -> None:
    plan = gateway_plan_from(parse(*simulated(SOURCE_MQTT_BROKER="embedded", SOURCE_MQTT_PORT="1999")))
    assert plan is not None
    assert (plan.broker.broker, plan.broker.port, plan.broker.tls) == ("127.0.0.1", 1999, False)
    assert (plan.scanners, plan.controllers) == (3, 1)
    plan = gateway_plan_from(parse(*simulated(SOURCE_MQTT_BROKER="there", SOURCE_MQTT_TLS="true")))
    assert plan is not None
    assert (plan.broker.broker, plan.broker.tls) == ("there", True)
    assert station_plan_from(parse(*simulated())) is not None


class Api:
    """Knows some devices, and gateways after a while."""

    def __init__(self, heard: bool = True) -> None:
        self.known: dict[str, Any] = {}
        self.heard = heard

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        if method == "PATCH":
            self.known[path] = {**self.known.get(path, {}), **body}
            return {}
        if path not in self.known and not ("/gateways/" in path and self.heard):
            raise RefusedError(404, "there is none")
        return self.known.get(path, {"name": ""})


def enter(monkeypatch: pytest.MonkeyPatch, api: Api, absences: int = 0) -> None:
    """Have the demo enter everything; the time passes only in its sleeps."""
    times = [0.0]
    left = [absences]

    @contextmanager
    def service_api(*_: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise ServiceUnavailableError("the service does not run")
        yield api

    monkeypatch.setattr(demo_gateways, "service_api", service_api)
    monkeypatch.setattr(demo_gateways.time, "monotonic", lambda: times[0])
    monkeypatch.setattr(demo_gateways.time, "sleep", lambda s: times.__setitem__(0, times[0] + s))
    demo_gateways.enter(loaded()[0])


def test_devices_and_gateways_get_names_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    api.known["/api/devices/ble%3A38%3A39%3A8F%3A5E%3A00%3A00"] = {"name": "Mine"}
    enter(monkeypatch, api, absences=3)
    assert api.known["/api/devices/ble%3A38%3A39%3A8F%3A5E%3A00%3A00"] == {"name": "Mine"}
    probe = api.known["/api/devices/f2%3A5ef200000001/J1/2"]
    assert (probe["name"], probe["decoder"]) == ("Herbs, School garden", "garden-probe")
    scanner = api.known["/api/gateways/scanner:demo-3"]
    assert (scanner["name"], scanner["location"]["text"]) == ("Scanner, Town hall", "Town hall")
    assert len(api.known) == 12 + 8 + 4


def test_it_gives_up_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    enter(monkeypatch, Api(heard=False))
    said = capsys.readouterr().err
    assert said == "4 scanners, controllers and devices have no names: not heard\n"


def test_the_blueprint_reads_the_probe() -> None:
    decoder = parse_datapoints("garden-probe", (DECODERS / "garden-probe.json").read_text())
    assert isinstance(decoder, DataPoints)
    data = bytes.fromhex(soil_answer(FIRST_MAC, 1, 1_790_000_000.0))
    said = Payload(data=data, kind="telegram", device="f2:5ef200000001/J1/1", received_at=0.0, envelope={})
    found = {reading.name: reading.value for reading in decoder.decode(said, {})}
    assert found.keys() == {"temperature", "soil_moisture", "conductivity"}
    assert 5 < found["temperature"] < 25  # type: ignore[operator]
