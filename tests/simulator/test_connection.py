"""One connection of a simulated station: bytes, frames, its end."""

from __future__ import annotations

from twisted.internet.task import Clock

from bssci.simulator import OperationFailed, SimulatedStation
from bssci.simulator.station import StationPhase
from bssci.wire.errors import FramingError
from tests.simulator.service_center import Air, ServiceCenterDouble
from tests.simulator.simulated_station import EUI, SENSOR, SIGNAL, Connect, attach, telegram


def test_a_refused_connection_is_closed_and_remembered() -> None:
    clock, center = Clock(), ServiceCenterDouble()
    center.refuse["con"] = 1
    station = SimulatedStation(EUI, clock=clock)
    Air(station, center, clock).connect()
    assert station.state is StationPhase.OFFLINE
    assert isinstance(station.last_error, OperationFailed)
    assert station.last_error.code == 1


def test_what_is_no_frame_ends_the_connection(air: Connect) -> None:
    connected = air()
    transport = connected.center.connections[-1].transport
    assert transport is not None
    transport.write(b"HTTP/1.1 400 Bad Request")
    connected.flush()
    assert connected.station.state is StationPhase.OFFLINE
    assert isinstance(connected.station.received[-1], FramingError)


def test_json_connections_work(air: Connect) -> None:
    connected = air("json")
    assert connected.center.connections[0].raw[0].startswith(b"{")
    connected.center.send(attach())
    connected.station.send_uplink(telegram(), SIGNAL)
    connected.flush()
    assert connected.station.acknowledged == 1
    assert list(connected.station.attached) == [SENSOR]
