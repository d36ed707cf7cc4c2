"""Simulated sensors that attach and detach themselves."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.model.attach_crypto import is_signed, session_key
from bssci.simulator import OperationFailed, SimulatedSensor, SimulatedStation
from bssci.simulator.over_the_air import AttachFailed, attach, attach_all, detach
from bssci.simulator.sensor import Signal
from bssci.wire.messages import Att, AttCmp, AttRsp, Det, DetCmp, DetRsp, Message
from tests.simulator.service_center import Air, ServiceCenterDouble
from tests.support.center import result_of

KEY = bytes(range(16))
STATION = 0xCAFEBA5E00000001


class Center(ServiceCenterDouble):
    """Derives session keys, with ``key``."""

    key = KEY

    def answer(self, message: Message) -> Message | None:
        if isinstance(message, Att) and "att" not in self.refuse:
            derived = session_key(self.key, message.epEui, bytes(message.nonce), bytes(message.sign))
            return AttRsp(opId=message.opId, nwkSnKey=list(derived), shAddr=0x4711)
        if isinstance(message, Det):
            return DetRsp(opId=message.opId, sign=message.sign)
        return super().answer(message)


class World:
    """Two stations, each with a service center of its own, and a sensor that both hear."""

    def __init__(self) -> None:
        clock = Clock()
        self.centers = [Center(), Center()]
        self.stations = [
            SimulatedStation(STATION + number, clock=clock, random=Random(number)) for number in range(2)
        ]
        self.airs = [
            Air(station, center, clock) for station, center in zip(self.stations, self.centers, strict=True)
        ]
        for air in self.airs:
            air.connect()
        self.sensor = self.make_sensor(0xCAFE)

    def make_sensor(self, eui: int) -> SimulatedSensor:
        heard_by = {0: Signal(8, -110), 1: Signal(5, -113)}
        return SimulatedSensor(eui, Random(eui), heard_by, network_key=KEY, packet_counter=5000)

    def flush(self) -> None:
        for air in self.airs:
            air.flush()


@pytest.fixture
def world() -> World:
    return World()


def test_every_station_delivers_a_copy_and_serves_the_sensor(world: World) -> None:
    attached = ensureDeferred(attach(world.sensor, world.stations))
    world.flush()
    result_of(attached)
    (first,), (second,) = (center.of(Att) for center in world.centers)
    assert isinstance(first, Att)
    assert isinstance(second, Att)
    assert (first.nonce, first.sign, first.attachCnt) == (second.nonce, second.sign, second.attachCnt)
    assert is_signed(bytes(first.sign), KEY, 0xCAFE, first.attachCnt)
    assert first.shAddr is None
    for station, center in zip(world.stations, world.centers, strict=True):
        assert len(center.of(AttCmp)) == 1
        served = station.attached[0xCAFE]
        assert (bytes(served.nwkSnKey), served.shAddr) == (world.sensor.session_key, 0x4711)


def test_a_sensor_counts_attaches_up_and_packets_from_zero() -> None:
    sensor = SimulatedSensor(1, Random(1), packet_counter=5000, attach_counter=0xFFFFFE)
    telegrams = [sensor.attach() for _ in range(3)]
    assert [telegram.attach_counter for telegram in telegrams] == [0xFFFFFF, 0, 1]
    assert len({telegram.nonce for telegram in telegrams}) == 3
    assert sensor.transmit().packet_counter == 0


def test_a_refusal_is_raised_and_the_sensor_is_not_served(world: World) -> None:
    for center in world.centers:
        center.refuse["att"] = 71
    attached = ensureDeferred(attach(world.sensor, world.stations))
    world.flush()
    with pytest.raises(OperationFailed, match="71"):
        result_of(attached)
    assert 0xCAFE not in world.stations[0].attached


def test_another_session_key_is_noticed(world: World) -> None:
    world.centers[1].key = bytes(16)
    attached = ensureDeferred(attach(world.sensor, world.stations))
    world.flush()
    with pytest.raises(AttachFailed):
        result_of(attached)


def test_many_attach_and_those_that_cannot_are_named(world: World) -> None:
    stranger = world.make_sensor(2)
    stranger.network_key = bytes(16)
    refused: dict[int, str] = {}
    done = ensureDeferred(attach_all([world.make_sensor(1), stranger], world.stations, refused))
    world.flush()
    result_of(done)
    assert set(refused) == {2}
    assert set(world.stations[0].attached) == {1}


def test_a_sensor_says_goodbye(world: World) -> None:
    attached = ensureDeferred(attach(world.sensor, world.stations))
    world.flush()
    result_of(attached)
    detached = ensureDeferred(detach(world.sensor, world.stations))
    world.flush()
    result_of(detached)
    (message,) = world.centers[0].of(Det)
    assert isinstance(message, Det)
    assert message.packetCnt == 0
    assert len(world.centers[1].of(DetCmp)) == 1
    assert world.stations[0].attached == world.stations[1].attached == {}
    assert world.sensor.session_key == b""
