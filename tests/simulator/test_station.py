"""A simulated station against a service center in memory."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgpack
import pytest
from twisted.internet.task import Clock

from bssci.simulator import OperationFailed, Quirks, SimulatedStation, Telegram
from bssci.simulator.requests import Behaviour
from bssci.simulator.sensor import Signal
from bssci.simulator.station import PING_INTERVAL, State
from bssci.simulator.windows import WINDOW_DELAY
from bssci.wire.errors import FramingError
from bssci.wire.frame import encode_frame
from bssci.wire.messages import (
    AttPrp,
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
    UlData,
    UlDataCmp,
    UlDataTx,
)
from tests.support.service_center import Air, ServiceCenterDouble

EUI = 0xCAFEBA5E00000001
SENSOR = 0x70B3D56770111505
SIGNAL = Signal(snr=10.0, rssi=-100.0)
NOW_NS = 1_700_000_000_000_000_000
Connect = Callable[..., Air]


@pytest.fixture
def air() -> Connect:
    """Builds a connected station."""

    def build(*quirks: str, behaviour: Behaviour | None = None) -> Air:
        clock = Clock()
        station = SimulatedStation(
            EUI,
            clock=clock,
            random=Random(1),
            quirks=Quirks(quirks),
            behaviour=behaviour,
            now_ns=lambda: NOW_NS + int(clock.seconds() * 1e9),
        )
        built = Air(station, ServiceCenterDouble(), clock)
        built.connect()
        return built

    return build


def telegram(counter: int = 0, **fields: bool) -> Telegram:
    return Telegram(SENSOR, counter, b"\x01\x02", **fields)


def attach(eui: int = SENSOR, op_id: int = -1) -> AttPrp:
    return AttPrp(
        opId=op_id,
        epEui=eui,
        bidi=True,
        nwkSnKey=[0] * 16,
        shAddr=1,
        lastPacketCnt=0,
        dualChan=True,
        repetition=False,
        wideCarrOff=False,
        longBlkDist=False,
    )


def queue(queue_id: int = 7, op_id: int = -2, **fields: object) -> DlDataQue:
    return DlDataQue(
        **{"opId": op_id, "epEui": SENSOR, "queId": queue_id, "cntDepend": False, "userData": [[9]]} | fields
    )


def raw(connected: Air, message: dict[str, object]) -> None:
    """Send what the double itself has no message for."""
    transport = connected.center.connections[-1].transport
    assert transport is not None
    transport.write(encode_frame(msgpack.packb(message)))


def test_connects_and_says_who_it_is(air: Connect) -> None:
    connected = air()
    con = connected.center.received[0]
    assert isinstance(con, Con)
    assert (con.opId, con.bsEui, con.version, con.bidi) == (0, EUI, "1.0.0", True)
    assert bytes(con.snBsUuid) == connected.station.session_id
    assert (con.snBsOpId, con.snScOpId) == (None, None)
    assert connected.center.commands() == {"con": 1, "conCmp": 1}
    assert connected.station.state is State.CONNECTED
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


def test_resume_issues_unfinished_operations_again_in_order(air: Connect) -> None:
    connected = air()
    connected.station.send_uplink(telegram(1), SIGNAL)
    connected.flush()
    connected.center.silent.add("ulData")
    connected.station.send_uplink(telegram(2), SIGNAL)
    connected.station.send_uplink(telegram(3), SIGNAL)
    connected.flush()
    connected.cut()
    assert connected.station.state is State.OFFLINE
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
    assert connected.station.state is State.CONNECTED


def test_a_refused_connection_is_closed_and_remembered() -> None:
    clock, center = Clock(), ServiceCenterDouble()
    center.refuse["con"] = 1
    station = SimulatedStation(EUI, clock=clock)
    Air(station, center, clock).connect()
    assert station.state is State.OFFLINE
    assert isinstance(station.last_error, OperationFailed)
    assert station.last_error.code == 1


def test_garbage_can_be_sent(air: Connect) -> None:
    connected = air()
    connected.station.send_raw(b"MIOTYB01\x04\x00\x00\x00\x81\xa1a\x01")
    with pytest.raises(Exception, match="opId|command"):
        connected.flush()


def test_what_is_no_frame_ends_the_connection(air: Connect) -> None:
    connected = air()
    transport = connected.center.connections[-1].transport
    assert transport is not None
    transport.write(b"HTTP/1.1 400 Bad Request")
    connected.flush()
    assert connected.station.state is State.OFFLINE
    assert isinstance(connected.station.received[-1], FramingError)


# downlinks


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


# behaviours that are more than a changed message


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


def test_json_connections_work(air: Connect) -> None:
    connected = air("json")
    assert connected.center.connections[0].raw[0].startswith(b"{")
    connected.center.send(attach())
    connected.station.send_uplink(telegram(), SIGNAL)
    connected.flush()
    assert connected.station.acknowledged == 1
    assert list(connected.station.attached) == [SENSOR]
