"""Base stations in over TLS, MQTT out to a real broker, by one service that keeps running."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import gatherResults

from tests.support.service import STOP_TIME, endpoint, send, until

pytestmark = pytest.mark.mosquitto

SENSOR = 0x70B3D56770110001
FIRST, SECOND = 0xCAFE00000000A001, 0xCAFE00000000A002


async def test_uplinks_states_and_status_arrive_on_mqtt(service, broker, stations, make_subscriber) -> None:
    listener = make_subscriber(broker.port)
    await listener.online()
    for eui in (FIRST, SECOND):
        stations.append(service.station(eui))
    await gatherResults([station.when_connected() for station in stations])
    await gatherResults([send(station, SENSOR, 1, b"\1\2") for station in stations])
    await until(lambda: bool(listener.uplinks(SENSOR)))
    [uplink] = listener.uplinks(SENSOR)
    assert (uplink["cnt"], uplink["data"], uplink["known"], uplink["duplicates"]) == (1, [1, 2], False, 1)
    assert {copy["bs_eui"] for copy in uplink["baseStations"]} == {f"{FIRST:016X}", f"{SECOND:016X}"}
    await until(lambda: bool(listener.on(f"bs/{FIRST:016X}")))
    assert listener.on(f"bs/{FIRST:016X}/state")[-1]["state"] == "online"
    assert listener.on("service/status")[-1]["state"] == "online"
    late = make_subscriber(broker.port)
    await until(lambda: bool(late.on(f"bs/{SECOND:016X}/state")))
    assert {topic: retained for topic, _, retained in late.messages}[f"bs/{SECOND:016X}/state"]
    stations[0].disconnect()
    await until(
        lambda: (
            late.on(f"bs/{FIRST:016X}/state")[-1:] != []
            and any(state["state"] == "offline" for state in late.on(f"bs/{FIRST:016X}/state"))
        )
    )


async def test_a_reload_attaches_what_is_new_and_keeps_what_was_if_it_is_wrong(service, stations) -> None:
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    service.configure([endpoint(SENSOR)])
    service.reload()
    await until(lambda: SENSOR in station.attached)
    service.configure([endpoint(SENSOR) | {"nwKey": "00" * 17}])
    service.reload()
    await until(lambda: service.said("sensors not reloaded"))
    assert any("nwKey" in line and "endpoints.json" in line for line in service.output)
    service.configure([endpoint(SENSOR), endpoint(SENSOR + 1)])
    service.reload()
    await until(lambda: SENSOR + 1 in station.attached)


async def test_certificates_change_under_a_connected_station(service, stations) -> None:
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    service.files.authority.issue("renewed", service.files.certificate, service.files.key, server=True)
    service.reload()
    await until(lambda: service.said("certificates reloaded"))
    another = service.station(SECOND)
    stations.append(another)
    await another.when_connected()
    await gatherResults([send(station, SENSOR, 100), send(another, SENSOR, 101)])
    assert (station.connections, another.connections) == (1, 1)


async def test_a_broker_that_restarts_gets_everything_and_the_states_again(
    service, broker, stations, make_subscriber
) -> None:
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    broker.stop()
    await gatherResults([send(station, SENSOR, counter) for counter in range(200, 210)])
    broker.start()
    listener = make_subscriber(broker.port)
    counters = set(range(200, 210))
    await until(lambda: counters <= {uplink["cnt"] for uplink in listener.uplinks(SENSOR)})
    await until(lambda: bool(listener.on(f"bs/{FIRST:016X}/state")))
    assert listener.on(f"bs/{FIRST:016X}/state")[-1]["state"] == "online"
    assert listener.on("service/status")[-1]["state"] == "online"


async def test_it_stops_in_order_and_says_so(service, broker, stations, make_subscriber) -> None:
    """The last one: after it the service does not run any more."""
    listener = make_subscriber(broker.port)
    await listener.online()
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    await send(station, SENSOR, 300)
    assert await service.stop() < STOP_TIME
    await until(lambda: listener.on("service/status")[-1]["state"] == "offline")
    assert [uplink["cnt"] for uplink in listener.uplinks(SENSOR)][-1] == 300
    assert listener.on(f"bs/{FIRST:016X}/state")[-1]["state"] == "offline"
    assert not service.said("Traceback"), "\n".join(service.output)
    assert json.dumps(service.output).count("0C0D0E0F") == 0
