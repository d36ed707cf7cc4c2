"""Who sends when, and what is counted."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.task import Clock

from bssci.simulator import SimulatedSensor, SimulatedStation
from bssci.simulator.report import SimulationReport
from bssci.simulator.sensor import Signal
from bssci.simulator.traffic import COPY_SPREAD, TICK, Traffic
from bssci.wire.messages import AttPrp, DlDataQue, DlDataRes, UlData
from tests.simulator.service_center import Air, ServiceCenterDouble

EUI = 0xCAFE


class World:
    """Two stations that hear one sensor."""

    def __init__(self, copies: int = 1, limit: int | None = None) -> None:
        self.clock = Clock()
        self.report = SimulationReport()
        self.finished: list[float] = []
        self.airs = [
            Air(SimulatedStation(number, clock=self.clock), ServiceCenterDouble(), self.clock)
            for number in (1, 2)
        ]
        for air in self.airs:
            air.connect()
        heard_by = {number: Signal(10, -100) for number in range(copies)}
        self.sensor = SimulatedSensor(EUI, Random(1), heard_by, bidirectional=True)
        self.traffic = Traffic(
            [air.station for air in self.airs],
            [self.sensor],
            clock=self.clock,
            random=Random(2),
            report=self.report,
            limit=limit,
            finished=lambda: self.finished.append(self.clock.seconds()),
        )

    def advance(self, seconds: float, step: float = TICK) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            for air in self.airs:
                air.flush()

    def uplinks(self, station: int) -> list[UlData]:
        return [message for message in self.airs[station].center.received if isinstance(message, UlData)]


def test_an_open_rate_is_kept_whatever_the_answers_do() -> None:
    world = World()
    world.airs[0].center.silent.add("ulData")
    world.traffic.start_open(20)
    world.advance(1)
    world.traffic.stop()
    assert world.report.sent == pytest.approx(20, abs=1)
    assert world.report.unanswered == world.report.sent
    world.advance(1)
    assert world.traffic.outstanding == world.report.sent


@pytest.mark.parametrize("closed", [False, True])
def test_what_a_full_station_does_not_send_was_not_refused(
    monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    monkeypatch.setattr("bssci.simulator.station.MAX_OPEN", 3)
    world = World(limit=5)
    world.airs[0].center.silent.add("ulData")
    world.traffic.start_closed(5) if closed else world.traffic.start_open(100)
    world.advance(1)
    figures = world.report.summary(1.0)
    assert (figures["sent"], figures["unanswered"], figures["not_sent"]) == (3, 3, 2)
    assert (figures["refused"], world.report.is_complete) == ({}, False)
    assert world.traffic.outstanding == 3


@pytest.mark.parametrize("closed", [False, True])
def test_a_silent_sensor_has_its_turn_and_sends_nothing(closed: bool) -> None:
    world = World(limit=4)
    world.sensor.is_silent = lambda: world.sensor.packet_counter >= 2
    if closed:
        world.traffic.start_closed(1)
    else:
        world.traffic.start_open(20)
    world.advance(1)
    assert [uplink.packetCnt for uplink in world.uplinks(0)] == [0, 1]
    assert len(world.finished) == 1


def test_a_sensor_with_an_instrument_sends_what_it_measures() -> None:
    world = World(limit=1)
    world.sensor.instrument = lambda: (1, b"\x07")
    world.traffic.start_open(1)
    world.advance(0.1)
    (uplink,) = world.uplinks(0)
    assert (uplink.format, uplink.userData) == (1, [7])


def test_copies_arrive_apart_from_each_other() -> None:
    world = World(copies=2, limit=1)
    world.traffic.start_open(1)
    world.advance(COPY_SPREAD[0] * 0.9, step=COPY_SPREAD[0] * 0.3)
    assert (len(world.uplinks(0)), len(world.uplinks(1))) == (1, 0)
    world.advance(COPY_SPREAD[1])
    first, second = world.uplinks(0)[0], world.uplinks(1)[0]
    assert (first.epEui, first.packetCnt, first.userData) == (second.epEui, second.packetCnt, second.userData)
    assert first.snr != second.snr
    assert len(world.finished) == 1


def test_a_closed_loop_keeps_its_number_in_flight() -> None:
    world = World()
    world.airs[0].center.silent.add("ulData")
    world.traffic.start_closed(3)
    world.advance(0.1)
    assert world.report.sent == 3


def test_a_closed_loop_ends_at_its_limit() -> None:
    world = World(limit=5)
    world.traffic.start_closed(2)
    world.advance(0.2)
    assert (world.report.sent, world.report.acknowledged, len(world.finished)) == (5, 5, 1)


def test_a_downlink_reaches_the_sensor_and_is_acknowledged() -> None:
    world = World()
    flags = dict.fromkeys(("dualChan", "repetition", "wideCarrOff", "longBlkDist"), False)
    world.airs[0].center.send(
        AttPrp(opId=-1, epEui=EUI, bidi=True, nwkSnKey=[0] * 16, shAddr=1, lastPacketCnt=0, **flags),
        DlDataQue(opId=-2, epEui=EUI, queId=1, cntDepend=False, userData=[[1, 2]]),
    )
    world.airs[0].flush()
    world.traffic.start_open(1)
    world.advance(1.5)
    world.traffic.stop()
    assert [result.result for result in world.airs[0].center.of(DlDataRes)] == ["sent"]
    assert world.sensor.received == [b"\x01\x02"]
    assert [uplink.dlAck for uplink in world.uplinks(0)] == [False, True]
