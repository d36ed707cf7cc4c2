"""How a simulated station answers its service center."""

from __future__ import annotations

import msgpack
import pytest

from bssci.simulator.requests import Behaviour
from bssci.simulator.station import StationPhase
from bssci.simulator.windows import WINDOW_DELAY
from bssci.wire.frame import encode_frame
from bssci.wire.messages import (
    Con,
    DetPrp,
    DlDataQue,
    DlDataRes,
    DlDataRev,
    DlDataRevRsp,
    DlRxStat,
    DlRxStatQry,
    Error,
    Ping,
    Status,
    StatusRsp,
    UlDataTx,
)
from tests.simulator.service_center import Air
from tests.simulator.simulated_station import NOW_NS, SENSOR, SIGNAL, Connect, attach, telegram


def queue(queue_id: int = 7, op_id: int = -2, **fields: object) -> DlDataQue:
    return DlDataQue(
        **{"opId": op_id, "epEui": SENSOR, "queId": queue_id, "cntDepend": False, "userData": [[9]]} | fields
    )


def raw(connected: Air, message: dict[str, object]) -> None:
    """Send what the double itself has no message for."""
    transport = connected.center.connections[-1].transport
    assert transport is not None
    transport.write(encode_frame(msgpack.packb(message)))


def test_answers_ping_and_status(air: Connect) -> None:
    connected = air()
    connected.advance(90)
    connected.center.send(Ping(opId=-1), Status(opId=-2))
    connected.flush()
    status = connected.center.of(StatusRsp)[0]
    assert isinstance(status, StatusRsp)
    assert (status.opId, status.code, status.time, status.uptime) == (-2, 0, NOW_NS + 90 * 10**9, 90)
    assert status.cpuLoad is not None and 0 <= status.cpuLoad <= 1
    assert connected.center.commands()["pingRsp"] == 1


def test_keeps_silent_about_its_status_if_told_so(air: Connect) -> None:
    connected = air(behaviour=Behaviour(status="none"))
    connected.center.send(Status(opId=-1))
    connected.flush()
    assert connected.center.commands() == {"con": 1, "conCmp": 1}


def test_attach_and_detach_propagate(air: Connect) -> None:
    connected = air()
    connected.center.send(attach(op_id=-1))
    connected.flush()
    assert connected.station.attached == {SENSOR: attach(op_id=-1)}
    connected.center.send(DetPrp(opId=-2, epEui=SENSOR), DetPrp(opId=-3, epEui=SENSOR))
    connected.flush()
    assert connected.station.attached == {}
    assert connected.center.commands()["attPrpRsp"] == connected.center.commands()["detPrpRsp"] == 1
    assert connected.center.of(Error) == [Error(opId=-3, code=2, message="end point is not attached")]


def test_refuses_to_attach_if_told_so(air: Connect) -> None:
    connected = air(behaviour=Behaviour(attach_code=lambda eui: 22 if eui == SENSOR else None))
    connected.center.send(attach(SENSOR, -1), attach(SENSOR + 1, -2))
    connected.flush()
    assert [error.code for error in connected.center.of(Error)] == [22]
    assert list(connected.station.attached) == [SENSOR + 1]


def test_an_unknown_request_is_not_supported(air: Connect) -> None:
    connected = air()
    connected.center.send(
        UlDataTx(opId=-1, epEui=SENSOR, nwkSnKey=[0] * 16, shAddr=1, packetCnt=1, userData=[1])
    )
    raw(connected, {"command": "vm.status", "opId": -2})
    connected.flush()
    assert [error.code for error in connected.center.of(Error)] == [95, 95]
    assert connected.station.state is StationPhase.CONNECTED


def with_downlink(connected: Air, **fields: object) -> Air:
    connected.center.send(attach(), queue(**fields))
    connected.flush()
    return connected


def test_a_downlink_is_sent_in_the_next_window(air: Connect) -> None:
    connected = with_downlink(air())
    heard: list[tuple[int, int, bytes]] = []
    connected.station.on_downlink = lambda *downlink: heard.append(downlink)
    connected.station.send_uplink(telegram(4), SIGNAL)
    connected.advance(WINDOW_DELAY)
    assert connected.center.of(DlDataRes) == []
    connected.station.send_uplink(telegram(5, downlink_open=True), SIGNAL)
    connected.advance(WINDOW_DELAY)
    (result,) = connected.center.of(DlDataRes)
    assert isinstance(result, DlDataRes)
    assert (result.queId, result.result, result.packetCnt) == (7, "sent", 5)
    assert result.txTime == NOW_NS + int(2 * WINDOW_DELAY * 1e9)
    assert heard == [(SENSOR, 5, b"\x09")]
    assert len(connected.station.requests.downlinks) == 0


@pytest.mark.parametrize(
    ("mode", "result"), [("expire", "expired"), ("invalid", "invalid"), ("ignore", None)]
)
def test_downlinks_end_as_told(air: Connect, mode: str, result: str | None) -> None:
    connected = with_downlink(air(behaviour=Behaviour(downlinks=mode)))
    connected.station.send_uplink(telegram(5, downlink_open=True), SIGNAL)
    connected.advance(WINDOW_DELAY)
    results = [message.result for message in connected.center.of(DlDataRes)]
    assert results == ([] if result is None else [result])


def test_a_held_downlink_can_be_revoked_once(air: Connect) -> None:
    connected = with_downlink(air())
    connected.center.send(
        DlDataRev(opId=-3, epEui=SENSOR, queId=7), DlDataRev(opId=-4, epEui=SENSOR, queId=7)
    )
    connected.flush()
    assert connected.center.of(DlDataRevRsp) == [DlDataRevRsp(opId=-3)]
    assert [error.code for error in connected.center.of(Error)] == [2]


def test_another_vendor_does_not_know_revoke(air: Connect) -> None:
    connected = air("revoke-95")
    connected.center.send(DlDataRev(opId=-1, epEui=SENSOR, queId=7))
    connected.flush()
    assert [error.code for error in connected.center.of(Error)] == [95]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"epEui": SENSOR + 1}, 2),
        ({"userData": [[]]}, 22),
        ({"userData": [[1], [2]]}, 22),
    ],
)
def test_wrong_downlinks_are_refused(air: Connect, fields: dict[str, object], code: int) -> None:
    connected = with_downlink(air(), **fields)
    assert [error.code for error in connected.center.of(Error)] == [code]
    assert len(connected.station.requests.downlinks) == 0


def test_reception_status_follows_the_acknowledgement(air: Connect) -> None:
    connected = with_downlink(air())
    connected.center.send(DlRxStatQry(opId=-3, epEui=SENSOR))
    connected.flush()
    connected.station.send_uplink(telegram(6), SIGNAL)
    connected.station.send_uplink(telegram(7, downlink_acknowledged=True), SIGNAL)
    connected.station.send_uplink(telegram(8, downlink_acknowledged=True), SIGNAL)
    connected.flush()
    assert [status.packetCnt for status in connected.center.of(DlRxStat)] == [7]


def test_version_1_1_refuses_the_older_attach(air: Connect) -> None:
    connected = air("version-1.1")
    assert connected.center.of(Con)[0].version == "1.1.0"
    connected.center.send(attach())
    connected.flush()
    assert [error.code for error in connected.center.of(Error)] == [22]
    fields = {"nwkSnKey": [0] * 16, "shAddr": 1, "lastPacketCnt": 0}
    flags = dict.fromkeys(("dualChan", "repetition", "wideCarrOff", "longBlkDist", "syncBurst"), False)
    raw(connected, {"command": "attPrp", "opId": -2, "epEui": 1, "epClass": "z"} | fields | flags)
    connected.flush()
    assert list(connected.station.attached) == [1]
