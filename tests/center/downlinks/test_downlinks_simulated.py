"""Downlinks against simulated base stations and sensors: windows, acknowledgements, results."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.model import EUI
from bssci.simulator.quirks import Quirks
from bssci.simulator.requests import Behaviour
from bssci.simulator.sensor import Signal, SimulatedSensor
from bssci.simulator.station import OperationFailed, SimulatedStation, StationPhase
from bssci.wire.messages import Message
from tests.center.downlinks.gateway import SENSOR, DownlinkHouse
from tests.support.center import TESTER, result_of


class Cable:
    """Carries messages between a simulated station and the service center, until it is cut."""

    peer = "simulated"
    certificate = b""
    signers = ()

    def __init__(self, site: DownlinkHouse, simulated: SimulatedStation) -> None:
        self.site = site
        self.simulated = simulated
        self.to_center: list[Message] = []
        self.to_station: list[Message] = []
        self.transport = self
        simulated._connection = self  # type: ignore[assignment]
        admitted = ensureDeferred(site.center.registry.admit(simulated.build_con(), self))
        site.settle()
        self.station, answer = result_of(admitted)
        simulated.established(answer)
        ensureDeferred(site.center.registry.established(self, self.station))
        self.carry()

    def send(self, message: Any) -> None:
        """Of both ends: the service center sends several messages, the simulated station one."""
        if isinstance(message, Sequence):
            self.to_station += message
        else:
            self.to_center.append(message)

    def disconnect(self, reason: str) -> None:
        """Nobody asks for it here."""

    abort = disconnect

    def carry(self) -> None:
        self.site.settle()
        while self.to_center or self.to_station:
            to_center, self.to_center = self.to_center, []
            self.station.receive(to_center)
            to_station, self.to_station = self.to_station, []
            for message in to_station:
                self.simulated.received_message(message)
            self.site.settle()

    def cut(self) -> None:
        self.to_center.clear()
        self.to_station.clear()
        self.simulated.state = StationPhase.OFFLINE
        self.simulated._connection = None
        self.site.center.registry.lost(self, self.station, "cut")


class World:
    """One simulated sensor, heard by one simulated station."""

    def __init__(self, site: DownlinkHouse, behaviour: Behaviour | None = None, *quirks: str) -> None:
        self.site = site
        self.simulated = SimulatedStation(
            0xCAFE000000000001, clock=site.clock, behaviour=behaviour, quirks=Quirks(quirks)
        )
        self.sensor = SimulatedSensor(
            int(SENSOR, 16), Random(1), {0: Signal(10.0, -100.0)}, bidirectional=True
        )
        self.simulated.send_downlinks_to(
            lambda eui, counter, data: self.sensor.receive_downlink(counter, data)
        )
        self.cable = Cable(site, self.simulated)

    def uplink(self) -> None:
        """The sensor sends; its window passes."""
        sent = self.simulated.send_uplink(self.sensor.transmit(), self.sensor.signal_at(0))
        sent.addErrback(lambda failure: failure.trap(OperationFailed))
        for _ in range(8):
            self.cable.carry()
            self.site.clock.advance(0.1)
        self.cable.carry()

    def close(self) -> None:
        self.simulated._ping_ticker.stop()
        self.simulated._windows.clear()


@pytest.fixture
def world(site: DownlinkHouse):
    world = World(site)
    yield world
    world.close()


def test_a_queue_is_sent_in_order_and_acknowledged(world: World) -> None:
    world.uplink()
    queue_ids = [world.site.queue(bytes([number])) for number in range(5)]
    for _ in range(8):
        world.uplink()
    assert world.sensor.received == [bytes([number]) for number in range(5)]
    for queue_id in queue_ids:
        assert world.site.statuses(queue_id) == ["queued", "sent", "acknowledged"]


def test_for_a_certain_uplink(world: World) -> None:
    world.uplink()
    passed = world.site.queue(b"passed", packet_counters=(0,))
    bound = world.site.queue(b"four", b"five", packet_counters=(4, 5))
    for _ in range(6):
        world.uplink()
    assert world.sensor.received == [b"four"]
    assert world.site.statuses(passed) == ["queued", "expired"]
    assert world.site.statuses(bound) == ["queued", "sent", "acknowledged"]
    assert world.site.downlink(bound).packet_counter == 4


def test_an_acknowledgement_alone(world: World) -> None:
    world.uplink()
    queue_id = world.site.queue(data=())
    world.uplink()
    world.uplink()
    assert world.sensor.received == [b""]
    assert world.site.downlink(queue_id).state == "acknowledged"


def test_how_well_it_was_received(world: World) -> None:
    world.uplink()
    queue_id = world.site.queue(b"x")
    world.uplink()
    asked = world.site.downlinks.query_reception(SENSOR)
    world.cable.carry()
    assert result_of(asked) == EUI("CAFE000000000001")
    world.uplink()
    assert [reception.queue_id for reception in world.site.receptions()] == [queue_id]
    assert world.site.downlink(queue_id).end_point_snr is not None


def test_a_station_that_crashes_loses_its_queue_but_nothing_is_lost_or_twice(world: World) -> None:
    world.uplink()
    queue_ids = [world.site.queue(bytes([number])) for number in range(3)]
    world.uplink()
    world.cable.cut()
    world.simulated._windows.clear()
    world.simulated._boot()
    world.cable = Cable(world.site, world.simulated)
    for _ in range(15):
        world.uplink()
    assert world.sensor.received == [b"\0", b"\1", b"\2"]
    assert {world.site.downlink(queue_id).state for queue_id in queue_ids} == {"acknowledged"}


@pytest.mark.parametrize("cut_at", range(12))
def test_the_line_and_the_service_fail_at_any_moment(world: World, cut_at: int) -> None:
    """A tenth of a second after another, around a window: cut, crash, resume."""
    site = world.site
    world.uplink()
    queue_ids = [site.queue(bytes([number])) for number in range(3)]
    world.cable.carry()
    sent = world.simulated.send_uplink(world.sensor.transmit(), world.sensor.signal_at(0))
    sent.addErrback(lambda failure: failure.trap(OperationFailed))
    for tenth in range(12):
        if tenth == cut_at:
            world.cable.cut()
            for call in list(site.clock.getDelayedCalls()):
                if getattr(call.func, "__module__", "").startswith("bssci.c"):
                    call.cancel()
            site.journal.cut()
            site.clock.advance(0.3)
            site.open()
            world.cable = Cable(site, world.simulated)
        world.cable.carry()
        site.clock.advance(0.1)
    for _ in range(12):
        world.uplink()
    assert world.sensor.received == [b"\0", b"\1", b"\2"]
    for queue_id in queue_ids:
        assert site.statuses(queue_id) in (["queued", "sent", "acknowledged"], ["queued", "sent"])


@pytest.mark.parametrize(("mode", "state"), [("expire", "expired"), ("invalid", "invalid")])
def test_what_stations_may_answer(site: DownlinkHouse, mode: Any, state: str) -> None:
    world = World(site, Behaviour(downlinks=mode))
    world.uplink()
    queue_id = site.queue(b"x")
    world.uplink()
    assert site.statuses(queue_id) == ["queued", state]
    world.close()


@pytest.mark.parametrize("quirks", [(), ("attach-drops",), ("attach-drops", "revoke-95")])
def test_attached_again_it_is_sent_once(site: DownlinkHouse, quirks: tuple[str, ...]) -> None:
    world = World(site, None, *quirks)
    world.uplink()
    queue_id = site.queue(b"x")
    world.cable.carry()
    site.advance(1)
    ensureDeferred(site.commands.attach([SENSOR], TESTER))
    world.cable.carry()
    for _ in range(12):
        world.uplink()
    assert world.sensor.received == [b"x"]
    assert site.downlink(queue_id).state == "acknowledged"
    world.close()
