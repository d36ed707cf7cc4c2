"""A base station's connection on real TLS: the handshake, bad input, silence, storms."""

from __future__ import annotations

import gc
import ssl
from typing import Any

import msgpack
import pytest
from msgspec import to_builtins
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from bssci.model import StationProblem
from bssci.stations import causes
from bssci.stations.admission import ConnectionLimits
from bssci.stations.protocol import MAX_REPEATED
from bssci.system.line_limit import LINES
from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.fields import Subpackets
from bssci.wire.frame import encode_frame
from bssci.wire.messages import (
    AttPrp,
    AttPrpRsp,
    Con,
    ConCmp,
    ConRsp,
    Error,
    ErrorAck,
    Ping,
    PingRsp,
    Status,
    UlDataRsp,
)
from tests.stations.tls_memory import Client, StationRoom
from tests.support.center import STATION
from tests.support.wire import connect, map_of, pack, uplink

HEADER = b"MIOTYB01"
OTHER = 0xCAFE000000000002


@pytest.fixture
def log_lines():
    """The formats of what was logged at warn level or above."""
    lines: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(lines.append)
    yield lines
    globalLogPublisher.removeObserver(lines.append)


def warnings(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["log_level"].name in ("warn", "error", "critical")]


def errors(client: Client) -> list[tuple[int, int]]:
    return [(error.opId, error.code) for error in client.take(Error)]


def test_from_the_handshake_to_an_uplink(room: StationRoom) -> None:
    client = room.station()
    assert client.lost is None
    answer = client.establish(STATION)
    assert (answer.opId, answer.version, answer.snResume) == (0, "1.0.0", False)
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    assert client.server_side.delays is False
    room.house.advance(3)
    assert len(room.house.uplinks()) == 1


def test_who_connects_is_known_by_address_and_certificate(room: StationRoom) -> None:
    client = room.station(STATION)
    client.say(client.con(STATION))
    [station] = room.house.center.stations
    pem = (room.files.station_bundle(STATION) / "station_cert.pem").read_text()
    assert station.record.address == "192.0.2.1:40000"
    assert ssl.DER_cert_to_PEM_cert(station.record.certificate).split() == pem.split()
    assert station.link is not None
    [authority] = station.link.signers
    assert ssl.DER_cert_to_PEM_cert(authority).split() == room.files.ca.read_text().split()


@pytest.mark.parametrize(
    ("end", "why"), [("loseConnection", "closed by the station"), ("abortConnection", "connection lost")]
)
def test_why_a_station_went_is_said_for_people(
    room: StationRoom, station: Client, end: str, why: str
) -> None:
    getattr(station.transport, end)()
    room.advance(1)
    [known] = room.house.center.stations
    assert (known.record.reason, known.state.reason) == (why, why)


def test_frames_may_be_cut_anywhere(station: Client) -> None:
    data = Codec(Encoding.MESSAGEPACK).encode(uplink(1)) + Codec(Encoding.MESSAGEPACK).encode(Ping(opId=2))
    station.write(*(data[place : place + 1] for place in range(len(data))))
    assert sorted(type(message).__name__ for message in station.messages) == ["PingRsp", "UlDataRsp"]


def test_con_to_the_first_uplinks_in_one_read(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION))
    client.say(ConCmp(opId=0), uplink(1, packetCnt=1), uplink(2, packetCnt=2))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1), UlDataRsp(opId=2)]


def test_a_json_connection(room: StationRoom) -> None:
    client = room.station()
    client.use(Encoding.JSON)
    client.establish(STATION)
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]


# framing: closed, counted, one line with the peer


@pytest.mark.parametrize("established", [False, True])
@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEADER + b"\xff\xff\xff\xff",
        HEADER + (1024 * 1024 + 1).to_bytes(4, "little"),
        encode_frame(b"\x00garbage"),
        encode_frame(b""),
    ],
    ids=["identifier", "size", "one-too-many", "no-map", "empty"],
)
def test_lost_framing_closes_is_counted_and_logged_once(
    room: StationRoom, garbage: bytes, established: bool, log_lines: list[dict[str, Any]]
) -> None:
    client = room.station()
    if established:
        client.establish(STATION)
    client.write(garbage)
    room.advance(1)
    assert client.lost is not None
    assert room.count.closed_for_framing == 1
    assert (room.count.open, room.factory.connections) == (0, set())
    [line] = warnings(log_lines)
    assert line["peer"] == "192.0.2.1:40000"


def test_what_was_whole_before_the_fault_is_kept(room: StationRoom, station: Client) -> None:
    station.write(Codec(Encoding.MESSAGEPACK).encode(uplink(1)) + b"XXXXXXXXXXXX")
    room.house.advance(3)
    assert len(room.house.uplinks()) == 1


def levels(count: int) -> Subpackets:
    return Subpackets(snr=[1.5] * count, rssi=[-99.5] * count, frequency=[868.1e6] * count)


def test_the_largest_frame_is_configurable(make_room) -> None:
    room = make_room(limits=ConnectionLimits(frame_size=2000))
    client = room.station()
    client.establish(STATION)
    client.say(uplink(1, subpackets=levels(50)))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    client.say(uplink(2, subpackets=levels(100)))
    room.advance(1)
    assert client.lost is not None


# messages: an error for that operation, the connection kept


def without(name: str) -> dict[str, Any]:
    plain = map_of(uplink(1))
    del plain[name]
    return plain


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (pack(without("snr")), 71),
        (pack(map_of(uplink(1)) | {"snr": "loud"}), 71),
        (pack(map_of(uplink(1)) | {"packetCnt": -1}), 22),
        (pack(map_of(uplink(1)) | {"rxTime": 1e20}), 22),
        (pack(map_of(uplink(1)) | {"epEui": 1e20}), 22),
        (pack(map_of(uplink(1)) | {"rxDuration": float("inf")}), 22),
        (pack(map_of(uplink(1)) | {"userData": [1] * 100_000}), 22),
        (pack({"command": "no.such", "opId": 1}), 95),
        (pack({"command": "rc.reset", "opId": 1}), 95),
        (pack({"command": "status", "opId": 1}), 71),
        (pack(map_of(uplink(0))), 71),
    ],
)
def test_a_bad_message_costs_itself(station: Client, payload: bytes, code: int) -> None:
    op_id = msgpack.unpackb(payload)["opId"]
    station.write(encode_frame(payload))
    assert errors(station) == [(op_id, code)]
    station.say(ErrorAck(opId=op_id), uplink(2))
    assert station.take(UlDataRsp) == [UlDataRsp(opId=2)]
    assert station.lost is None


def test_a_bad_message_costs_none_beside_it_in_the_same_read(station: Client) -> None:
    payloads = [
        pack(map_of(uplink(1, packetCnt=1))),
        pack(map_of(uplink(2)) | {"rxTime": 1e20}),
        pack(map_of(uplink(3)) | {"epEui": 1e20}),
        pack(map_of(uplink(4, packetCnt=2))),
    ]
    station.write(b"".join(map(encode_frame, payloads)))
    assert errors(station) == [(2, 22), (3, 22)]
    assert station.take(UlDataRsp) == [UlDataRsp(opId=1), UlDataRsp(opId=4)]
    assert station.lost is None


def test_a_refused_message_is_gone_at_once_however_large_it_is(station: Client) -> None:
    large = {"snr": [1.5] * 2000, "rssi": [1.5] * 2000, "frequency": [1.5] * 2000}
    payload = pack(map_of(uplink(1)) | {"subpackets": large})
    station.write(encode_frame(payload))
    assert errors(station) == [(1, ErrorCode.EINVAL)]
    kept = [each for each in gc.get_objects() if type(each) is ProtocolError and "subpackets" in each.message]
    assert kept == []


def test_a_broken_map_is_answered_71(station: Client) -> None:
    station.write(encode_frame(b"\x82\xa7command\xa6ulData\xa4opId"))
    [(_, code)] = errors(station)
    assert code == 71
    station.say(uplink(1))
    assert station.take(UlDataRsp) == [UlDataRsp(opId=1)]


@pytest.mark.parametrize(
    "message", [uplink(1), Ping(opId=1), ConCmp(opId=0), PingRsp(opId=-1)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("after_con", [False, True])
def test_anything_before_con_cmp_is_answered_71(room: StationRoom, message, after_con: bool) -> None:
    client = room.station()
    if after_con:
        if isinstance(message, ConCmp):
            return
        client.say(client.con(STATION))
        client.take(ConRsp)
    client.say(message)
    assert errors(client) == [(message.opId, 71)]
    client.say(ErrorAck(opId=message.opId))
    if not after_con:
        client.say(client.con(STATION))
    client.say(ConCmp(opId=0), uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    room.house.advance(3)
    assert len(room.house.uplinks()) == 1


@pytest.mark.parametrize(
    "payload",
    [
        pack({"command": "no.such", "opId": 4}),
        pack({"command": "con", "opId": 0}),
        pack(to_builtins(uplink(4)) | {"command": "ulData", "packetCnt": -5}),
    ],
)
def test_what_is_unreadable_before_con_cmp_is_answered_71(room: StationRoom, payload: bytes) -> None:
    client = room.station()
    client.write(encode_frame(payload))
    assert errors(client) == [(msgpack.unpackb(payload)["opId"], 71)]
    client.establish(STATION)
    assert client.lost is None


def test_what_comes_between_con_and_con_cmp_leaves_a_trace_with_the_station(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION))
    client.say(uplink(4))
    assert errors(client) == [(4, 71)]
    [station] = room.house.center.stations
    assert station.faults.counts == {("sent", 71): 1}
    room.settle()
    assert [event.code for _, event in room.house.events if isinstance(event, StationProblem)] == [71]


def test_what_comes_before_con_leaves_a_trace_in_the_log(room: StationRoom, log_lines) -> None:
    room.station().say(uplink(4))
    [line] = [each for each in warnings(log_lines) if "protocol error" in str(each.get("log_format"))]
    assert (line["direction"], line["code"], line["peer"]) == ("sent", 71, "192.0.2.1:40000")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            encode_frame(pack({"command": "con", "opId": 0})),
            "it sent a message that cannot be used: con: Object missing required field `version`",
        ),
        (b"hello, world, hello", "it does not speak BSSCI: a frame begins with "),
        (
            encode_frame(pack({"command": "error", "opId": 0, "code": 22, "message": "no"})),
            "it refused our answer to its con: error 22, no",
        ),
    ],
)
def test_a_station_that_never_gets_to_operations_is_listed_with_the_reason(
    room: StationRoom, said: bytes, reason: str
) -> None:
    client = room.station(STATION)
    client.write(said)
    client.transport.loseConnection()
    room.advance(1)
    [refusal] = room.factory.refusals.listed()
    assert refusal.reason.startswith(reason) and refusal.remedy
    assert (refusal.base_station_eui, refusal.subject) == (f"{STATION:016X}", f"CN={STATION:016X}")


@pytest.mark.parametrize("is_patient", [False, True])
@pytest.mark.parametrize("has_said_con", [False, True])
def test_a_station_that_goes_silent_before_operations_is_listed(
    room: StationRoom, is_patient: bool, has_said_con: bool
) -> None:
    client = room.station(STATION)
    if has_said_con:
        client.say(client.con(STATION))
        client.take(ConRsp)
    if not is_patient:
        client.transport.loseConnection()
    room.advance(11)
    [refusal] = room.factory.refusals.listed()
    assert refusal.reason == (causes.NO_CON_CMP if has_said_con else causes.NO_CON).reason
    assert (refusal.base_station_eui, refusal.count) == (f"{STATION:016X}", 1)


def test_those_that_are_connecting_when_the_service_stops_were_not_refused(room: StationRoom) -> None:
    room.station(STATION)
    for connection in list(room.factory.connections):
        connection.disconnect("the service stops")
    room.advance(11)
    assert room.factory.refusals.listed() == []


def test_one_connection_writes_few_lines(room: StationRoom, log_lines) -> None:
    client = room.station()
    for number in range(50):
        client.write(encode_frame(pack({"command": f"no.{number}", "opId": number})))
    client.write(b"hello, world, hello")
    room.advance(1)
    assert len([each for each in warnings(log_lines) if "peer" in each]) == LINES


def test_connections_that_say_nothing_write_few_lines(room: StationRoom, log_lines) -> None:
    for _ in range(LINES + 5):
        room.station()
    room.advance(11)
    assert len([each for each in log_lines if "aborted" in str(each.get("log_format"))]) == LINES


def test_one_that_gets_in_after_all_was_not_refused(room: StationRoom) -> None:
    client = room.station()
    client.say(uplink(4))
    client.establish(STATION)
    client.write(b"hello, world, hello")
    room.advance(1)
    assert client.lost is not None and room.factory.refusals.listed() == []


# the connect operation


def test_con_twice_is_answered_and_does_no_harm(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION), client.con(STATION))
    client.say(client.con(STATION))
    first, *others = client.take(ConRsp)
    assert others == [first, first]
    client.say(ConCmp(opId=0), ConCmp(opId=0), uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    assert client.lost is None
    assert len(room.house.center.stations.connected()) == 1


def test_repetitions_of_con_before_its_answer_are_bounded(room: StationRoom) -> None:
    client = room.station()
    client.say(*[client.con(STATION)] * 100)
    assert len(client.take(ConRsp)) == 1 + MAX_REPEATED
    assert errors(client) == [(0, 11)] * (99 - MAX_REPEATED)
    client.say(ConCmp(opId=0), uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]


def test_another_con_on_the_same_connection_is_answered_71(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION))
    client.say(client.con(OTHER))
    assert errors(client) == [(0, 71)]


def test_another_major_version_is_refused_and_closed(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION, version="2.0.0"))
    assert len(client.take(Error)) == 1
    room.advance(1)
    assert client.lost is not None


def test_a_station_that_refuses_our_answer_is_left(room: StationRoom) -> None:
    client = room.station()
    client.say(client.con(STATION))
    client.say(Error(opId=0, code=22, message="no"))
    assert client.take(ErrorAck) == [ErrorAck(opId=0)]
    [station] = room.house.center.stations
    assert station.faults.counts == {("received", 22): 1}
    room.advance(1)
    assert client.lost is not None
    assert room.house.center.stations.connected() == []


@pytest.mark.parametrize(
    ("policy", "certificate", "admitted"),
    [
        ("lenient", "localhost", True),
        ("lenient", STATION, True),
        ("lenient", OTHER, False),
        ("strict", STATION, True),
        ("strict", "localhost", False),
        ("strict", OTHER, False),
    ],
)
def test_the_identity_policy(make_room, policy: str, certificate: int | str, admitted: bool) -> None:
    room = make_room(identity=policy)
    client = room.station(certificate)
    client.say(client.con(STATION))
    if admitted:
        assert len(client.take(ConRsp)) == 1
    else:
        assert errors(client) == [(0, 1)]
        room.advance(1)
        assert client.lost is not None
        assert len(room.house.center.stations) == 0
        [refusal] = room.factory.refusals.listed()
        assert (refusal.base_station_eui, refusal.count) == (f"{STATION:016X}", 1)
        assert "certificate names" in refusal.reason


# how it ends, and what else a station may do


def test_a_service_that_stops_closes_in_order(room: StationRoom, station: Client) -> None:
    room.house.center.registry.stop()
    room.settle()
    assert station.lost is not None
    assert room.count.timed_out == 0


def deliver_and_leave(client: Client, data: bytes) -> None:
    """Bytes and the end of the connection in one turn of the reactor."""
    protocol = next(iter(client.room.factory.connections))
    protocol.dataReceived(data)
    client.server_side.abortConnection()
    client.room.advance(1)


def test_the_last_words_of_a_station_are_heard(room: StationRoom, station: Client) -> None:
    deliver_and_leave(station, Codec(Encoding.MESSAGEPACK).encode(uplink(1)))
    room.house.advance(3)
    assert len(room.house.uplinks()) == 1
    assert room.house.states()[-1][0] == "offline"


def test_garbage_as_last_words_leaves_nothing_behind(room: StationRoom, station: Client) -> None:
    deliver_and_leave(station, b"garbage that nobody reads")
    assert (room.count.open, room.count.closed_for_framing) == (0, 1)
    assert room.house.states()[-1][0] == "offline"


def test_a_fault_of_ours_ends_one_connection_and_leaves_nothing_behind(
    room: StationRoom, station: Client, monkeypatch: pytest.MonkeyPatch, expected_errors
) -> None:
    other = room.station()
    other.establish(OTHER)
    broken = room.house.center.stations.get(f"{STATION:016X}")

    def fail(messages: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(broken, "receive", fail)
    station.say(Ping(opId=1))
    other.say(Ping(opId=1))
    room.advance(1)
    assert station.lost is not None
    assert other.take(PingRsp) == [PingRsp(opId=1)]
    assert room.count.open == 1
    assert [failure.type for failure in expected_errors] == [RuntimeError]
    expected_errors.clear()


def test_a_journal_that_cannot_be_read_closes_the_connection_and_is_no_fault_of_ours(
    room: StationRoom, log_lines
) -> None:
    client = room.station()
    client.say(client.con(STATION))
    client.say(ConCmp(opId=0))
    client.vanish()
    again = room.station()
    again.say(again.con(STATION))
    room.house.journal.broken = True
    again.say(ConCmp(opId=0))
    assert again.lost is not None
    assert not any("log_failure" in line for line in log_lines)
    assert any(line["log_format"].startswith("connection closed, as the journal") for line in log_lines)
    room.house.journal.broken = False


def test_a_station_that_is_lost_or_replaced_while_its_session_is_stored_is_none_that_was_refused(
    room: StationRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[Deferred[None]] = []

    def begin(session: object) -> Deferred[None]:
        stored.append(Deferred())
        return stored[-1]

    monkeypatch.setattr(room.house.journal.sessions, "begin", begin)
    first, second = room.station(), room.station()
    for client in (first, second):
        client.say(client.con(STATION))
    second.transport.loseConnection()
    room.settle()
    for each in stored:
        each.callback(None)
    room.settle()
    assert first.lost is not None and second.lost is not None
    assert len(stored) == 2
    assert room.house.center.refused_stations.listed() == []


def test_the_vendors_ways_cost_nothing(room: StationRoom) -> None:
    client = room.station()
    plain = map_of(connect(bsEui=STATION))
    plain["snBsUuid"] = [byte - 256 if byte > 127 else byte for byte in range(120, 136)]
    plain["bsEui"] = STATION - 2**64
    plain["info"] = ""
    plain["vendor"] = None
    plain["bidi"] = True
    client.write(encode_frame(pack(dict(sorted(plain.items(), reverse=True)))))
    assert len(client.take(ConRsp)) == 1
    client.say(ConCmp(opId=0))
    telegram = map_of(uplink(1)) | {"rxTime": 1.7e18, "userData": b"\1\2", "format": None, "new": 1}
    client.write(encode_frame(pack(telegram)))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    room.house.advance(3)
    assert [event.payload for event in room.house.uplinks()] == [b"\1\2"]


def test_sensors_are_brought_while_uplinks_are_served(make_room) -> None:
    room = make_room(sensors=300)
    client = room.station()
    client.establish(STATION)
    asked = client.take(AttPrp)
    assert 1 < len(asked) < 300
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
    client.say(*(AttPrpRsp(opId=request.opId) for request in asked))
    client.answer_everything()
    assert room.house.center.stations.get(f"{STATION:016X}").propagation.outstanding == 0
    assert client.take(Status) == [] and not isinstance(client.lost, Con)


@pytest.mark.parametrize("is_deaf", [False, True])
def test_a_station_whose_bytes_wait_is_not_read_from_until_they_are_processed(
    room: StationRoom, is_deaf: bool
) -> None:
    client = room.station()
    client.establish(STATION)
    side = client.server_side
    protocol = next(iter(room.factory.connections))
    protocol.hold()
    assert side.paused
    if is_deaf:
        protocol.pauseProducing()
    protocol.read()
    assert side.paused is is_deaf
    protocol.hold()
    protocol.resumeProducing()
    assert side.paused
    protocol.read()
    assert not side.paused
    client.say(uplink(1))
    assert client.take(UlDataRsp) == [UlDataRsp(opId=1)]
