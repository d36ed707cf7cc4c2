"""Commands, downlinks and silence through the real service and a real broker, kill -9 in between."""

from __future__ import annotations

import json
from random import Random

import pytest

from bssci.simulator import over_the_air
from bssci.simulator.sensor import Signal, SimulatedSensor
from bssci.simulator.station import SimulatedStation
from tests.support.operator import make_operator
from tests.support.service import endpoint, until

__all__ = ["make_operator"]

pytestmark = pytest.mark.mosquitto

NEAR, FAR = 0xCAFE00000000C001, 0xCAFE00000000C002
KEY = bytes(range(16))


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
