"""Commands, downlinks and silence through the real service and a real broker, kill -9 in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from bssci.mqtt.client import Publication
from bssci.simulator import over_the_air
from bssci.simulator.sensor import Signal, SimulatedSensor
from bssci.simulator.station import SimulatedStation
from tests.e2e.subscriber import Subscriber
from tests.support.service import endpoint, until

pytestmark = pytest.mark.mosquitto

NEAR, FAR = 0xCAFE00000000C001, 0xCAFE00000000C002
KEY = bytes(range(16))
ANSWERS = ("response", "status", "warning", "error", "dl/status", "dl/reception", "ul")


class Operator(Subscriber):
    """Somebody who publishes requests on a broker and reads the answers."""

    def __init__(self, port: int) -> None:
        topics = [f"mioty/ep/+/{kind}" for kind in ANSWERS]
        super().__init__(port, *topics, "mioty/config/response", "mioty/service/status")

    async def online(self) -> None:
        """Wait until the service is there, and listens: it has answered."""
        await until(lambda: self._client.online)
        asked = 0
        while not self.on("config/response"):
            await self.ask("mioty/config/get", {"ref": f"hello {asked}"})
            asked += 1
            try:
                await until(lambda: bool(self.on("config/response")), 0.5)
            except AssertionError:
                continue

    def ask(self, topic: str, request: object, *, retain: bool = False) -> Deferred[None]:
        """Publish a request: text as it is, anything else as JSON."""
        text = request if isinstance(request, (str, bytes)) else json.dumps(request)
        payload = text.encode() if isinstance(text, str) else text
        return self._client.publish([Publication(topic, payload, retain=retain)])

    async def answer(self, eui: str, ref: object, status: str = "done") -> dict[str, Any]:
        """Wait for the end of a request; what was answered."""

        def answers() -> list[dict[str, Any]]:
            return [each for each in self.on(f"ep/{eui}/response") if each.get("ref") == ref]

        await until(lambda: any(each["status"] in ("done", "failed") for each in answers()))
        last = answers()[-1]
        assert last["status"] == status, last
        return last


@pytest.fixture
def make_operator() -> Iterator[Callable[[int], Operator]]:
    """Somebody at a broker's port."""
    operators: list[Operator] = []

    def come(port: int) -> Operator:
        operators.append(Operator(port))
        return operators[-1]

    yield come
    pytest_twisted.blockon(gatherResults([operator.stop() for operator in operators]))


def sensor(number: int, **changes) -> SimulatedSensor:
    eui = 0x70B3D56770140000 + number
    return SimulatedSensor(
        eui, Random(number), {0: Signal(12, -90)}, network_key=KEY, bidirectional=True, **changes
    )


def uplink(station: SimulatedStation, device: SimulatedSensor):
    """The sensor sends; what the station sends in its window reaches it."""
    station.on_downlink = lambda eui, counter, payload: device.receive_downlink(counter, payload)
    return station.send_uplink(device.transmit(), Signal(12, -90))


async def test_a_sensor_is_configured_used_and_let_go(make_service, broker, stations, make_operator) -> None:
    service = make_service(SINKS="mqtt,log", MQTT_PORT=broker.port)
    operator, device = make_operator(broker.port), sensor(1)
    eui = f"{device.eui:016X}"
    await service.start()
    stations += [service.station(NEAR), service.station(FAR)]
    for station in stations:
        await station.when_connected()
    await operator.online()

    entry = {name: value for name, value in endpoint(device.eui, bidi=True).items() if name != "eui"}
    await operator.ask(f"mioty/ep/{eui}/config", entry | {"ref": "new"})
    await operator.ask(f"mioty/ep/{eui}/dl", {"data": [1, 2, 3], "ref": "early"})
    added = await operator.answer(eui, "new")
    assert added["base_stations"] == {f"{each:016X}": {"state": "done"} for each in (NEAR, FAR)}
    assert all(device.eui in station.attached for station in stations)

    queued = await operator.answer(eui, "early")
    await uplink(stations[0], device)
    await until(lambda: len(stations[0].requests.downlinks) == 1)
    service.kill()
    await service.start()
    for station in stations:
        await station.when_connected()
    await uplink(stations[0], device)
    await until(lambda: device.received == [b"\1\2\3"])
    await uplink(stations[0], device)
    states = f"ep/{eui}/dl/status"
    await until(lambda: [each["status"] for each in operator.on(states)][-1:] == ["acknowledged"])
    assert [each["status"] for each in operator.on(states)] == ["queued", "sent", "acknowledged"]
    assert {each["queId"] for each in operator.on(states)} == {queued["queId"]}

    await stations[1].stop()
    await operator.ask(f"EP/{eui}/cmd/", {"action": "detach", "ref": "bye"})
    gone = await operator.answer(eui, "bye")
    assert gone["base_stations"][f"{FAR:016X}"] == {"state": "away"}
    assert device.eui not in stations[0].attached


async def test_a_sensor_attaches_itself_and_is_let_go_for_its_silence(
    make_service, broker, stations, make_operator
) -> None:
    service = make_service(SINKS="mqtt,log", MQTT_PORT=broker.port)
    operator, device = make_operator(broker.port), sensor(2)
    eui = f"{device.eui:016X}"
    service.configure([endpoint(device.eui, bidi=True)])
    await service.start()
    stations += [service.station(NEAR), service.station(FAR)]
    for station in stations:
        await station.when_connected()
    await operator.online()
    await over_the_air.attach(device, stations)
    await until(lambda: any(each["over_the_air"] for each in operator.on(f"ep/{eui}/status")))
    await until(lambda: stations[1].attached[device.eui].nwkSnKey == list(device.session_key))

    await operator.ask(
        "mioty/config/set",
        {
            "AUTO_DETACH_WARNING_TIMEOUT": 1,
            "AUTO_DETACH_TIMEOUT": "2",
            "AUTO_DETACH_CHECK_INTERVAL": 1,
            "ref": "short",
        },
    )
    await until(lambda: any(each.get("ref") == "short" for each in operator.on("config/response")))
    assert operator.on("config/response")[-1]["status"] == "done"
    assert "AUTO_DETACH_TIMEOUT=2" in (service.directory / ".env").read_text()
    await until(lambda: any(each["action"] == "auto_detached" for each in operator.on(f"ep/{eui}/status")))
    assert len(operator.on(f"ep/{eui}/warning")) == 1
    await until(lambda: all(device.eui not in station.attached for station in stations))
    await uplink(stations[0], device)
    await until(lambda: all(device.eui in station.attached for station in stations))


async def test_a_command_that_a_crash_cuts_short_is_answered_and_done(
    make_service, broker, stations, make_operator
) -> None:
    service = make_service(SINKS="mqtt,log", MQTT_PORT=broker.port)
    operator, device = make_operator(broker.port), sensor(3)
    eui = f"{device.eui:016X}"
    service.configure([endpoint(device.eui)])
    await service.start()
    station = service.station(NEAR)
    stations.append(station)
    await station.when_connected()
    await until(lambda: device.eui in station.attached)
    await operator.online()
    answer, station.requests.answer = station.requests.answer, lambda message: None
    await operator.ask(f"mioty/ep/{eui}/cmd", json.dumps({"command": "detach", "ref": 7}))
    await until(lambda: any(each["status"] == "received" for each in operator.on(f"ep/{eui}/response")))
    service.kill()
    station.requests.answer = answer
    await service.start()
    answered = await operator.answer(eui, 7, "done")
    assert answered["command"] == "detach"
    await until(lambda: device.eui not in station.attached)
