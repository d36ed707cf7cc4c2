"""MQTT over websockets: a layer between MQTT and its transport; one frame for each write."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from bssci.mqtt.values import IStream, MqttSettings

_LENGTHS = {126: 2, 127: 8}
"""bytes of the extended length, by the 7-bit length that announces it (RFC 6455 §5.2)"""


class WebSocketBroken(ConnectionClosed):
    """The other side does not speak websocket, or not correctly."""


class FrameReader:
    """Splits the frames of a server's stream as they arrive: a frame may be too long to be kept whole."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._is_payload = False

    def feed(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """Yield pieces in order, each with whether it is payload; control frames come with their header."""
        data, self._header = self._header + data, b""
        position = 0
        while position < len(data):
            if not self._left:
                header = data[position : position + 2]
                size = 2 + (_LENGTHS.get(header[1] & 0x7F, 0) if len(header) == 2 else 0)
                header = data[position : position + size]
                if len(header) < size:
                    self._header = header
                    return
                self._left = int.from_bytes(header[2:]) if size > 2 else header[1]
                # Text, binary or continued; neither reserved bits nor a mask.
                self._is_payload = header[0] & 0x7F <= 2 and header[1] < 0x80
                if self._is_payload:
                    position += size
                else:
                    self._left += size
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            yield self._is_payload, piece


class WebSocketLayer(Protocol):
    """Client side of a websocket, and the transport of the ``inner`` protocol.

    ``inner`` is connected when the handshake is complete. If the handshake fails, ``inner`` is only told
    that the connection was lost, and why.
    """

    transport: IStream

    def __init__(self, settings: MqttSettings, inner: Protocol) -> None:
        uri = WebSocketURI(settings.tls, settings.host, settings.port, settings.path or "/", "", None, None)
        self._machine = ClientProtocol(uri, subprotocols=[Subprotocol("mqtt")])
        self._frames = FrameReader()
        self._inner = inner

    # What the transport calls

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._machine.send_request(self._machine.connect())
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        while data and self._inner.transport is None:
            line, end, data = data.partition(b"\n")
            self._machine.receive_data(line + end)
            if self._machine.state is OPEN:
                self._inner.makeConnection(self)
        for is_payload, piece in self._frames.feed(data):
            if not is_payload:
                self._machine.receive_data(piece)
            elif self._machine.state is OPEN:
                self._inner.dataReceived(piece)
        self._machine.events_received()
        self._flush()
        if self._machine.handshake_exc is not None or self._machine.close_expected():
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._machine.handshake_exc is not None:
            reason = Failure(WebSocketBroken(f"WebSocket handshake failed: {self._machine.handshake_exc}"))
        elif self._machine.parser_exc is not None:
            reason = Failure(WebSocketBroken(f"websocket broken: {self._machine.parser_exc}"))
        self._inner.connectionLost(reason)

    # What the inner protocol calls

    def write(self, data: bytes) -> None:
        if self._machine.state is OPEN:
            self._machine.send_binary(data)
            self._flush()

    def loseConnection(self) -> None:
        if self._machine.state is OPEN:
            self._machine.send_close(1000)
            self._flush()
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        self.transport.abortConnection()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def _flush(self) -> None:
        data = b"".join(self._machine.data_to_send())
        if data:
            self.transport.write(data)
