"""kill -9, a broker that is not there, and a sink that somebody else wrote."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.mqtt.mosquitto import Mosquitto
from tests.support.running_service import free_ports
from tests.support.service import ROOT, STOP_TIME, endpoint, send, until

SENSORS = [0x70B3D56770120000 + number for number in range(5)]
FIRST, SECOND = 0xCAFE00000000B001, 0xCAFE00000000B002


@pytest.mark.mosquitto
async def test_kill_9_under_load_loses_and_doubles_nothing(
    make_service, broker, stations, make_subscriber, tmp_path: Path
) -> None:
    service = make_service(
        SINKS="mqtt,log",
        MQTT_PORT=broker.port,
        DEDUPLICATION_DELAY=0.3,
        LOG_FORMAT="json",
        LOG_FILE=tmp_path / "service.log",
    )
    service.configure([endpoint(eui) for eui in SENSORS])
    listener = make_subscriber(broker.port)
    await listener.online()
    await service.start()
    for eui in (FIRST, SECOND):
        stations.append(service.station(eui))
        await stations[-1].when_connected()
    acknowledged: set[tuple[int, int]] = set()
    outstanding = [0]

    def load(counters: range) -> None:
        for counter in counters:
            for eui in SENSORS:
                for station in stations:
                    outstanding[0] += 1
                    sent = send(station, eui, counter, bytes([counter & 0xFF]))
                    sent.addCallback(lambda _, key=(eui, counter): acknowledged.add(key))
                    sent.addBoth(lambda _: outstanding.__setitem__(0, outstanding[0] - 1))

    for burst in range(3):
        load(range(burst * 20, burst * 20 + 20))
        await until(lambda least=30 * (burst + 1): len(acknowledged) >= least)
        service.kill()
        await service.start()
    load(range(60, 65))
    await until(lambda: outstanding[0] == 0, 30)
    assert len(acknowledged) == 65 * len(SENSORS)
    assert all(station.resumed for station in stations)

    def missing() -> set[tuple[int, int]]:
        return acknowledged - {(eui, uplink["cnt"]) for eui in SENSORS for uplink in listener.uplinks(eui)}

    await until(lambda: not missing())
    await deferLater(reactor, 0.5)  # what would be doubled has had its time
    for eui in SENSORS:
        ids: dict[int, set[str]] = {}
        for uplink in listener.uplinks(eui):
            ids.setdefault(uplink["cnt"], set()).add(uplink["id"])
        assert {counter for counter, known in ids.items() if len(known) > 1} == set()
    assert all(len(station.attached) == len(SENSORS) for station in stations)
    lines = [json.loads(line) for line in (tmp_path / "service.log").read_text().splitlines()]
    assert {"time", "level", "logger", "text"} <= set(lines[0])
    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    assert service.output == []


@pytest.mark.mosquitto
async def test_a_broker_that_comes_late_gets_everything(
    make_service, stations, make_subscriber, tmp_path: Path
) -> None:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.port = free_ports(1)[0]
    service = make_service(SINKS="mqtt", MQTT_PORT=broker.port)
    await service.start()
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    for counter in range(1, 21):
        await send(station, SENSORS[0], counter)
    broker.start()
    try:
        listener = make_subscriber(broker.port)
        await until(lambda: len(listener.uplinks(SENSORS[0])) >= 20)
        assert [uplink["cnt"] for uplink in listener.uplinks(SENSORS[0])] == list(range(1, 21))
        assert await service.stop() < STOP_TIME
    finally:
        broker.kill()


async def test_a_sink_of_a_third_party(make_service, stations, tmp_path: Path) -> None:
    source = tmp_path / "source"
    subprocess.run(["cp", "-r", ROOT / "examples" / "bssci-csv-sink", source], check=True)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", tmp_path / "site"]
    pip = [sys.executable, "-m", "pip", "install", *options, source]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    service = make_service(SINKS="log,csv", CSV_FILE="uplinks.csv")
    service.extra_path.append(tmp_path / "site")
    await service.start()
    station = service.station(FIRST)
    stations.append(station)
    await station.when_connected()
    await send(station, SENSORS[0], 7, b"\xab\xcd")
    written = service.directory / "uplinks.csv"
    await until(lambda: written.exists() and written.read_text().count("\n") == 2)
    [row] = csv.DictReader(written.open())
    assert (row["sensor"], row["counter"], row["payload"]) == (f"{SENSORS[0]:016X}", "7", "abcd")
    assert not service.said("is not a setting")
    assert await service.stop() < STOP_TIME
