"""Whole simulations: over real TLS on the loopback, and the command line around them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import Certificate, PrivateCertificate

from bssci.simulator import cli
from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION, write_sensors
from bssci.simulator.simulation import Simulation
from bssci.wire.messages import Att, Con, UlData
from tests.support.service_center import CenterConnection, ServiceCenterDouble
from tests.support.tls import Authority, TLSFiles, tls_files

__all__ = ["tls_files"]
Options = Callable[..., argparse.Namespace]


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


@pytest.fixture
def center() -> ServiceCenterDouble:
    return ServiceCenterDouble()


@pytest.fixture
def port(tls_files: TLSFiles, center: ServiceCenterDouble) -> Iterator[int]:
    """Where the double listens, with mutual TLS."""
    server = PrivateCertificate.loadPEM(tls_files.key.read_bytes() + tls_files.certificate.read_bytes())
    options = server.options(Certificate.loadPEM(tls_files.ca.read_bytes()))
    listening: IListeningPort = reactor.listenSSL(0, center, options, interface="127.0.0.1")
    yield listening.getHost().port
    pytest_twisted.blockon(listening.stopListening())


def simulation(port: int, tls_files: TLSFiles, *options: str) -> Simulation:
    plan = cli.plan_from(parse("--port", str(port), "--bundle", str(tls_files.station_bundle()), *options))
    return Simulation(plan, reactor, lambda line: None)


@pytest.mark.parts
async def test_everything_is_acknowledged(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble
) -> None:
    run = simulation(
        port,
        tls_files,
        "--stations",
        "2",
        "--sensors",
        "3",
        "--copies",
        "2",
        "--rate",
        "500",
        "--count",
        "5",
        "--server-name",
        "localhost",
    )
    await run.start()
    assert run.exit_status == 0, run.error
    assert run.summary["sent"] == run.summary["acknowledged"] == 10
    assert {con.bsEui for con in center.of(Con)} == {FIRST_STATION, FIRST_STATION + 1}
    uplinks = center.of(UlData)
    assert len({(uplink.epEui, uplink.packetCnt) for uplink in uplinks}) == 5
    assert {uplink.epEui for uplink in uplinks} == {FIRST_SENSOR + number for number in range(3)}


@pytest.mark.parts
async def test_closed_loop_counts_refusals(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble
) -> None:
    center.refuse["ulData"] = 5
    run = simulation(port, tls_files, "--mode", "closed", "--in-flight", "4", "--count", "9")
    await run.start()
    assert run.exit_status == 1
    assert run.summary["refused"] == {"5": 9}
    assert run.summary["unanswered"] == 0


@pytest.mark.parts
async def test_sensors_that_may_not_attach_over_the_air_are_counted(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble
) -> None:
    center.refuse["att"] = 71
    run = simulation(
        port, tls_files, "--attach", "over-the-air", "--sensors", "3", "--count", "3", "--rate", "100"
    )
    await run.start()
    assert run.exit_status == 1
    assert (run.summary["refused_attaches"], run.summary["acknowledged"]) == (3, 3)
    attaches = center.of(Att)
    assert len({attach.epEui for attach in attaches if isinstance(attach, Att)}) == 3


@pytest.mark.parts
async def test_a_storm_finishes_six_connections(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble
) -> None:
    run = simulation(port, tls_files, "--quirk", "storm", "--count", "1")
    await run.start()
    assert run.exit_status == 0
    assert sum(connection.is_established for connection in center.connections) == 6
    assert len(center.connections) == 14


@pytest.mark.parts
async def test_a_wrong_server_name_is_not_trusted(port: int, tls_files: TLSFiles) -> None:
    run = simulation(
        port, tls_files, "--server-name", "elsewhere", "--connect-timeout", "0.5", "--count", "1"
    )
    await run.start()
    assert run.exit_status == 2
    assert run.error is not None and "could not connect" in run.error


@pytest.mark.parts
async def test_a_service_center_of_another_authority_is_not_trusted(
    port: int, tls_files: TLSFiles, tmp_path: Path
) -> None:
    other = Authority(tmp_path).directory / "ca_cert.pem"
    run = simulation(port, tls_files, "--ca", str(other), "--connect-timeout", "0.5", "--count", "1")
    await run.start()
    assert run.exit_status == 2


@pytest.mark.parts
async def test_nobody_there_is_said(tls_files: TLSFiles) -> None:
    run = simulation(1, tls_files, "--connect-timeout", "0.5", "--count", "1")
    await run.start()
    assert run.exit_status == 2
    assert run.error is not None and "refused" in run.error


@pytest.mark.parts
async def test_a_lost_connection_comes_back_and_the_session_goes_on(
    port: int, tls_files: TLSFiles, center: ServiceCenterDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.simulator.station.BACKOFF", (0.01,))
    run = simulation(port, tls_files, "--mode", "closed", "--in-flight", "2", "--count", "4")
    center.silent.add("ulData")

    def cut_once(connection: CenterConnection) -> None:
        def cut() -> None:
            center.silent.clear()
            connection.transport.abortConnection()

        center.on_established = lambda _connection: None
        reactor.callLater(0.05, cut)

    center.on_established = cut_once
    await run.start()
    assert run.exit_status == 0
    assert run.summary["connections"] == 2
    assert run.stations[0].resumed
    # The two that were cut off are there twice, under the same opIds.
    assert [uplink.opId for uplink in center.of(UlData)] == [1, 2, 1, 2, 3, 4]


@pytest.mark.parts
async def test_an_interrupted_run_ends_in_order(port: int, tls_files: TLSFiles) -> None:
    run = simulation(port, tls_files, "--rate", "100")
    finished = run.start()
    await run.stations[0].when_connected()
    reactor.callLater(0.05, run.interrupt)
    await finished
    assert run.exit_status == 0
    assert run.summary["sent"] > 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--stations", "0"], "--stations 0: must be at least 1"),
        (["--rate", "0"], "--rate 0.0: must be above 0"),
        (["--copies", "2"], "--copies 2: there are only 1 stations"),
        (["--vendor", "acme"], "--vendor acme: must be one of weptech"),
        (["--quirk", "odd"], "--quirk: no quirk 'odd'"),
        (["--quirk", "json", "bin-arrays"], "exclude each other"),
        (["--first-eui", "12"], "--first-eui 12: must be 16 hexadecimal digits"),
        (["--port", "70000"], "--port 70000: must be at most 65535"),
        (["--sensor-config", "/nowhere.json"], "--sensor-config /nowhere.json: No such file"),
        (["--bundles", "/nowhere"], "--bundles /nowhere: is no directory"),
    ],
)
def test_bad_options_are_named(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(parse(*options)) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_a_missing_certificate_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("--bundle", str(tmp_path))) == 1
    assert f"{tmp_path}/ca_cert.pem: No such file" in capsys.readouterr().err


def test_a_key_of_another_certificate_is_named(
    tls_files: TLSFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tls_files.station_bundle()
    assert cli.run(parse("--bundle", str(bundle), "--key", str(tls_files.key))) == 1
    assert "is not the private key of" in capsys.readouterr().err


def test_written_sensors_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    plan = cli.plan_from(parse("--sensors", "3"))
    write_sensors(file, plan.sensors)
    assert json.loads(file.read_text())[0].keys() == {"eui", "nwKey", "shortAddr", "bidi", "name"}
    again = cli.plan_from(parse("--sensor-config", str(file)))
    assert [
        (sensor.eui, sensor.network_key, sensor.short_address, sensor.bidirectional)
        for sensor in again.sensors
    ] == [
        (sensor.eui, sensor.network_key, sensor.short_address, sensor.bidirectional)
        for sensor in plan.sensors
    ]


def test_a_folder_per_station_names_its_eui(tls_files: TLSFiles) -> None:
    for eui in (0x70B3D56770FF0001, 0x70B3D56770FF0002):
        bundle = tls_files.station_bundle(eui)
    plan = cli.plan_from(parse("--bundles", str(bundle.parent), "--stations", "2"))
    assert [station.eui for station in plan.stations] == [0x70B3D56770FF0001, 0x70B3D56770FF0002]
    assert plan.stations[1].bundle.certificate == bundle / "station_cert.pem"


def test_the_same_seed_gives_the_same_telegrams() -> None:
    def telegrams() -> list[object]:
        plan = cli.plan_from(parse("--seed", "7", "--first-counter", "1"))
        return [(sensor.transmit(), sensor.signal_at(0)) for sensor in plan.sensors]

    assert telegrams() == telegrams()
