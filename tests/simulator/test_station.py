"""A simulated station against a service center in memory."""

from __future__ import annotations

from bssci.simulator import OperationFailed
from bssci.simulator.station import PING_INTERVAL, StationPhase
from bssci.wire.messages import (
    Con,
    Ping,
    UlData,
    UlDataCmp,
)
from tests.simulator.simulated_station import EUI, NOW_NS, SENSOR, SIGNAL, Connect, telegram


def test_connects_and_says_who_it_is(air: Connect) -> None:
    connected = air()
    con = connected.center.received[0]
    assert isinstance(con, Con)
    assert (con.opId, con.bsEui, con.version, con.bidi) == (0, EUI, "1.0.0", True)
    assert bytes(con.snBsUuid) == connected.station.session_id
    assert (con.snBsOpId, con.snScOpId) == (None, None)
    assert connected.center.commands() == {"con": 1, "conCmp": 1}
    assert connected.station.state is StationPhase.CONNECTED
    assert connected.station.connections == 1


def test_an_uplink_is_acknowledged_and_completed(air: Connect) -> None:
    connected = air()
    done: list[None] = []
    connected.station.send_uplink(telegram(5), SIGNAL).addCallback(done.append)
    connected.flush()
    uplink, completion = connected.center.received[2:]
    assert isinstance(uplink, UlData)
    assert (uplink.opId, uplink.epEui, uplink.packetCnt, uplink.userData) == (1, SENSOR, 5, [1, 2])
    assert (uplink.rxTime, uplink.snr, uplink.rssi) == (NOW_NS, 10.0, -100.0)
    assert completion == UlDataCmp(opId=1)
    assert done == [None]
    assert (connected.station.sent, connected.station.acknowledged) == (1, 1)


def test_a_refused_uplink_fails_with_its_code_and_is_over(air: Connect) -> None:
    connected = air()
    connected.center.refuse["ulData"] = 11
    failures: list[OperationFailed] = []
    connected.station.send_uplink(telegram(), SIGNAL).addErrback(
        lambda failure: failures.append(failure.value)
    )
    connected.flush()
    assert [failure.code for failure in failures] == [11]
    assert connected.station.refused == {11: 1}
    assert connected.center.commands()["errorAck"] == 1
    assert len(connected.station.operations) == 0


def test_pings_after_silence_only(air: Connect) -> None:
    connected = air()
    connected.advance(PING_INTERVAL - 1)
    connected.station.send_uplink(telegram(), SIGNAL)
    connected.flush()
    connected.clock.pump([1] * int(PING_INTERVAL - 1))
    connected.flush()
    assert connected.center.of(Ping) == []
    connected.advance(1)
    assert connected.center.of(Ping) == [Ping(opId=2)]
    assert connected.center.commands()["pingCmp"] == 1


def test_what_is_sent_is_traffic_even_without_an_answer(air: Connect) -> None:
    connected = air()
    connected.center.silent.add("ulData")
    for counter in range(4):
        connected.clock.pump([1] * int(PING_INTERVAL - 1))
        connected.station.send_uplink(telegram(counter), SIGNAL)
    connected.flush()
    assert connected.center.of(Ping) == []


def test_con_twice_still_connects(air: Connect) -> None:
    connected = air("con-twice")
    assert connected.center.commands() == {"con": 2, "conCmp": 1}


def test_uplinks_overlap(air: Connect) -> None:
    connected = air("overlapping-uplinks")
    for counter in (1, 2):
        connected.station.send_uplink(telegram(counter), SIGNAL)
        connected.flush()
    assert [(type(message), message.opId) for message in connected.center.received[2:]] == [
        (UlData, 1),
        (UlData, 2),
        (UlDataCmp, 1),
    ]
    connected.advance(1)
    assert connected.center.received[-1] == UlDataCmp(opId=2)


def test_old_counters_are_reported_once(air: Connect) -> None:
    connected = air("old-counters")
    con = connected.center.of(Con)[0]
    assert (con.snBsOpId, con.snScOpId) == (9187, -1659)
    connected.cut()
    connected.connect()
    assert (connected.center.of(Con)[1].snBsOpId, connected.center.of(Con)[1].snScOpId) == (0, 0)
