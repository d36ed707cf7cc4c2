"""The websocket between MQTT and its transport."""

from __future__ import annotations

from itertools import pairwise

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from bssci.mqtt.values import MqttSettings
from bssci.mqtt.websocket import WebSocketLayer
from tests.mqtt.memory_broker import Wire


class Inner(Protocol):
    def __init__(self) -> None:
        self.connected_times = 0
        self.received = b""
        self.lost = ""

    def connectionMade(self) -> None:
        self.connected_times += 1

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        self.lost = reason.getErrorMessage()


class Fixture:
    def __init__(self, *, tls: bool = False) -> None:
        self.inner = Inner()
        settings = MqttSettings(host="broker.example", port=8083, path="/ws?a=1", tls=tls)
        self.layer = WebSocketLayer(settings, self.inner)
        self.server = ServerProtocol(subprotocols=["mqtt"])
        self.wire = Wire(self.layer)
        self.layer.makeConnection(self.wire)

    def request(self) -> Request:
        self.to_server()
        (request,) = self.server.events_received()
        return request

    def to_server(self) -> None:
        data, self.wire.read = self.wire.read, b""
        self.server.receive_data(data)

    def to_client(self) -> None:
        self.layer.dataReceived(b"".join(self.server.data_to_send()))

    def frames(self) -> list[tuple[Opcode, bytes]]:
        self.to_server()
        return [(event.opcode, bytes(event.data)) for event in self.server.events_received()]


@pytest.fixture
def ws() -> Fixture:
    fixture = Fixture()
    fixture.server.send_response(fixture.server.accept(fixture.request()))
    fixture.to_client()
    return fixture


@pytest.mark.parametrize("tls", [False, True])
def test_the_handshake_asks_for_mqtt(tls):
    it = Fixture(tls=tls)
    request = it.request()
    assert request.path == "/ws?a=1"
    assert request.headers["Host"] == "broker.example:8083"
    assert request.headers["Sec-WebSocket-Protocol"] == "mqtt"
    assert it.inner.connected_times == 0


def test_inner_is_connected_after_the_handshake_and_gets_what_came_with_it():
    it = Fixture()
    it.server.send_response(it.server.accept(it.request()))
    it.server.send_binary(b"first")
    it.to_client()
    assert (it.inner.connected_times, it.inner.received) == (1, b"first")


def test_bytes_both_ways(ws):
    ws.wire.writes.clear()
    ws.layer.write(b"\x30\x00" * 1000)
    assert len(ws.wire.writes) == 1
    assert ws.frames() == [(Opcode.BINARY, b"\x30\x00" * 1000)]
    ws.server.send_binary(b"a", fin=False)
    ws.server.send_continuation(b"b", fin=True)
    ws.to_client()
    assert ws.inner.received == b"ab"


def test_pings_are_answered_masked(ws):
    ws.server.send_ping(b"there?")
    ws.to_client()
    # The server's parser refuses what a client has not masked.
    assert ws.frames() == [(Opcode.PONG, b"there?")]


def test_a_refusal_is_explained():
    it = Fixture()
    it.request()
    it.server.send_response(it.server.reject(404, "not here"))
    it.to_client()
    assert it.wire.disconnecting
    it.wire.close(ConnectionDone())
    assert it.inner.connected_times == 0
    assert "404" in it.inner.lost


def test_no_http_at_all_is_explained():
    it = Fixture()
    it.layer.dataReceived(b"\x20\x02\x00\x00\r\n\r\n")
    it.wire.close(ConnectionDone())
    assert "did not receive a valid HTTP response" in it.inner.lost


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_frames_may_be_cut_anywhere(ws, size, step):
    frames = [(Opcode.BINARY, bytes(size)), (Opcode.PING, b"there?"), (Opcode.BINARY, b"end")]
    data = b"".join(Frame(*frame).serialize(mask=False) for frame in frames)
    # At each byte around what is not payload, and here and there in long payloads.
    places = [*range(0, 24, step), *range(24, len(data) - 48, 1009 * step)]
    places += range(max(24, len(data) - 48), len(data), step)
    for place, end in pairwise([*places, len(data)]):
        ws.layer.dataReceived(data[place:end])
    assert ws.inner.received == bytes(size) + b"end"
    assert ws.frames() == [(Opcode.PONG, b"there?")]


def test_a_frame_is_passed_on_while_it_comes_however_long_it_is(ws):
    ws.layer.dataReceived(b"\x82\x7f" + (1 << 40).to_bytes(8) + b"first")
    assert ws.inner.received == b"first"
    ws.layer.dataReceived(b"second")
    assert ws.inner.received == b"firstsecond"
    assert not ws.wire.disconnecting


@pytest.mark.parametrize("header", [b"\x82\x81", b"\xc2\x01", b"\x83\x01", b"\x89\x7e\x01\x00"])
def test_a_wrong_frame_costs_the_connection(ws, header):
    ws.layer.dataReceived(header + bytes(256) + Frame(Opcode.BINARY, b"end").serialize(mask=False))
    assert ws.wire.disconnecting
    ws.wire.close(ConnectionDone())
    assert "websocket broken" in ws.inner.lost
    assert ws.inner.received == b""


def test_closing_says_so(ws):
    ws.layer.loseConnection()
    assert ws.wire.disconnecting
    assert [opcode for opcode, _ in ws.frames()] == [Opcode.CLOSE]
    ws.layer.write(b"too late")


def test_the_other_side_closes(ws):
    ws.server.send_close(1001)
    ws.to_client()
    assert ws.wire.disconnecting


def test_flow_control_is_the_transports(ws):
    producer = object()
    ws.layer.registerProducer(producer, True)
    assert ws.wire.producer is producer
    ws.layer.unregisterProducer()
    assert ws.wire.producer is None
    ws.layer.pauseProducing()
    assert ws.wire.producerState == "paused"
    ws.layer.resumeProducing()
    assert ws.wire.producerState == "producing"
