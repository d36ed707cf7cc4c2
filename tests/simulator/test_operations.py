"""The open operations of a simulated station, across connections."""

from __future__ import annotations

from bssci.simulator.station import StationPhase
from bssci.wire.messages import (
    Con,
    Ping,
    UlData,
)
from tests.simulator.simulated_station import SIGNAL, Connect, attach, telegram


def test_resume_issues_unfinished_operations_again_in_order(air: Connect) -> None:
    connected = air()
    connected.station.send_uplink(telegram(1), SIGNAL)
    connected.flush()
    connected.center.silent.add("ulData")
    connected.station.send_uplink(telegram(2), SIGNAL)
    connected.station.send_uplink(telegram(3), SIGNAL)
    connected.flush()
    connected.cut()
    assert connected.station.state is StationPhase.OFFLINE
    connected.station.send_uplink(telegram(4), SIGNAL)
    connected.center.silent.clear()
    connected.center.received.clear()
    connected.connect()
    con = connected.center.received[0]
    assert isinstance(con, Con)
    assert con.snBsOpId == 1
    assert [(uplink.opId, uplink.packetCnt) for uplink in connected.center.of(UlData)] == [
        (2, 2),
        (3, 3),
        (4, 4),
    ]
    assert connected.station.resumed
    assert connected.station.acknowledged == 4


def test_a_new_session_counts_from_one_again(air: Connect) -> None:
    connected = air()
    connected.center.silent.add("ulData")
    connected.station.send_uplink(telegram(1), SIGNAL)
    connected.station.send_uplink(telegram(2), SIGNAL)
    connected.flush()
    connected.cut()
    connected.center.resume = False
    connected.center.silent.clear()
    connected.center.received.clear()
    connected.connect()
    assert [(uplink.opId, uplink.packetCnt) for uplink in connected.center.of(UlData)] == [(1, 1), (2, 2)]
    assert not connected.station.resumed


def test_the_resume_names_the_last_operation_of_the_service_center(air: Connect) -> None:
    connected = air()
    connected.center.send(Ping(opId=-1), Ping(opId=-2))
    connected.flush()
    connected.cut()
    connected.connect()
    assert connected.center.of(Con)[-1].snScOpId == -2


def test_restart_forgets_everything(air: Connect) -> None:
    connected = air()
    connected.center.send(attach())
    connected.flush()
    before = connected.station.session_id
    connected.station.restart()
    connected.flush()
    connected.connect()
    con = connected.center.of(Con)[-1]
    assert connected.station.session_id != before
    assert (con.snBsOpId, con.snScOpId, connected.station.attached) == (None, None, {})
