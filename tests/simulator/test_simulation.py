"""Whole simulations: over real TLS on the loopback, and the command line around them."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest
from twisted.internet import reactor

from bssci.simulator.configuration import FIRST_SENSOR, FIRST_STATION
from bssci.wire.messages import Att, Con, UlData
from tests.simulator.service_center import CenterConnection, ServiceCenterDouble
from tests.simulator.simulation import simulation
from tests.support.tls import TLSFiles

Options = Callable[..., argparse.Namespace]


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
