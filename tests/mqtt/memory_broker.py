"""A broker in memory: takes what an MQTT client writes apart, and answers when the test says so."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from bssci.mqtt.server.packets import encoded_length


class Kind(IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True)
class Packet:
    kind: Kind
    flags: int
    body: bytes

    @property
    def packet_id(self) -> int:
        """Of anything but a PUBLISH."""
        return int.from_bytes(self.body[:2], "big")

    @property
    def publish(self) -> tuple[str, bytes, int]:
        """Topic, payload and packet id of a PUBLISH; id 0 for QoS 0."""
        length = int.from_bytes(self.body[:2], "big")
        topic, rest = self.body[2 : 2 + length].decode(), self.body[2 + length :]
        if self.flags & 0b0110:
            return topic, rest[2:], int.from_bytes(rest[:2], "big")
        return topic, rest, 0


class Wire(StringTransport):
    """A transport that counts writes and tells its protocol when it is closed."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.read = b""
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.read += data

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.close(ConnectionLost())

    def close(self, reason: Exception) -> None:
        if not self.closed:
            self.closed = True
            self._protocol.connectionLost(Failure(reason))


class FakeBroker:
    """Pass :meth:`connect` to an MQTT client.

    :ivar absent: refuses connections
    :ivar silent: neither refuses nor accepts them
    """

    def __init__(self) -> None:
        self.absent = False
        self.silent = False
        self.attempts = 0
        self.wires: list[Wire] = []
        self._unread: list[Packet] = []
        """packets that were looked at, but not returned yet"""
        self._asked: list[bytes] = []
        """packet identifiers of filters that were asked for on the last connection and not answered"""

    async def connect(self, reactor, settings, protocol: Protocol) -> Wire:
        self.attempts += 1
        if self.absent:
            raise ConnectError(string="nobody there")
        if self.silent:
            await Deferred()
        wire = Wire(protocol)
        self.wires.append(wire)
        self._asked, self._unread = [], []
        protocol.makeConnection(wire)
        return wire

    @property
    def wire(self) -> Wire:
        """The connection made last."""
        return self.wires[-1]

    def packets(self) -> list[Packet]:
        """What the client sent on the last connection since the last call."""
        packets, data = [], self.wire.read
        while data:
            length = shift = 0
            for index in range(1, 5):
                length |= (data[index] & 127) << shift
                shift += 7
                if data[index] < 128:
                    break
            body = index + 1
            packets.append(Packet(Kind(data[0] >> 4), data[0] & 15, data[body : body + length]))
            data = data[body + length :]
        self.wire.read = b""
        self._asked += [each.body[:2] for each in packets if each.kind is Kind.SUBSCRIBE]
        packets, self._unread = [*self._unread, *packets], []
        return packets

    def grant(self) -> bool:
        """Answer all filters that are not answered yet; return whether there were any."""
        self._unread = self.packets()
        found = bool(self._asked)
        while self._asked:
            self.send(Kind.SUBACK, self._asked[0] + b"\0" + b"\1" * 10)
        return found

    def send(self, kind: Kind, body: bytes, flags: int = 0) -> None:
        if kind is Kind.SUBACK and body[:2] in self._asked:
            self._asked.remove(body[:2])
        self.receive(packet(kind, body, flags))

    def receive(self, data: bytes) -> None:
        """Let ``data`` arrive at the client."""
        self.wire._protocol.dataReceived(data)

    def accept(self) -> None:
        self.send(Kind.CONNACK, b"\0\0")

    def refuse(self, code: int) -> None:
        self.send(Kind.CONNACK, bytes([0, code]))

    def acknowledge(self, *packet_ids: int) -> None:
        self.receive(b"".join(packet(Kind.PUBACK, struct.pack("!H", number)) for number in packet_ids))

    def publish(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self.receive(publish(topic, payload, retained=retained))

    def drop(self, *, unanswered: bool = False) -> None:
        """The connection breaks.

        :param unanswered: filters that were asked for and not answered stay so.
        """
        if not unanswered:
            self.grant()
        self.wire.close(ConnectionLost())

    def close(self) -> None:
        self.grant()
        self.wire.close(ConnectionDone())


def packet(kind: Kind, body: bytes, flags: int = 0) -> bytes:
    return bytes((kind << 4 | flags,)) + encoded_length(len(body)) + body


def publish(topic: str, payload: bytes, *, retained: bool = False) -> bytes:
    """A PUBLISH of QoS 0."""
    encoded = topic.encode()
    return packet(Kind.PUBLISH, struct.pack("!H", len(encoded)) + encoded + payload, int(retained))
