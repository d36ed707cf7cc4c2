"""MQTT over websockets: a layer between MQTT and its transport; one frame for each write."""

from __future__ import annotations

from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from bssci.sinks.mqtt.transport import IStream
from bssci.sinks.mqtt.values import MqttSettings

MAXIMUM_FRAME = 1 << 24
"""bytes; a larger one costs the connection, for it cannot be skipped"""


class WebSocketBroken(ConnectionClosed):
    """The other side does not speak websocket, or not correctly."""


class WebSocketLayer(Protocol):
    """Client side of a websocket, and the transport of the ``inner`` protocol.

    ``inner`` is connected when the handshake is through. If that fails, it is
    only told that the connection was lost, and why.
    """

    transport: IStream

    def __init__(self, settings: MqttSettings, inner: Protocol) -> None:
        uri = WebSocketURI(settings.tls, settings.host, settings.port, settings.path or "/", "", None, None)
        self._machine = ClientProtocol(uri, subprotocols=[Subprotocol("mqtt")], max_size=MAXIMUM_FRAME)
        self._inner = inner

    # What the transport calls

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._machine.send_request(self._machine.connect())
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        handshaking = self._machine.state is not OPEN and self._inner.transport is None
        self._machine.receive_data(data)
        events = self._machine.events_received()
        if handshaking and self._machine.state is OPEN:
            self._inner.makeConnection(self)
        for event in events:
            if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
                self._inner.dataReceived(bytes(event.data))
        self._flush()
        if self._machine.handshake_exc is not None or self._machine.close_expected():
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._machine.handshake_exc is not None:
            reason = Failure(WebSocketBroken(f"no websocket for MQTT here: {self._machine.handshake_exc}"))
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
