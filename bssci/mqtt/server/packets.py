"""Control packets of MQTT 3.1.1 as a server reads and writes them.

    from the client                    to the client
    1  CONNECT      -->                2  CONNACK      <--
    3  PUBLISH      -->  (refused)     3  PUBLISH      <--
    4  PUBACK       -->                9  SUBACK       <--
    8  SUBSCRIBE    -->                11 UNSUBACK     <--
    10 UNSUBSCRIBE  -->                13 PINGRESP     <--
    12 PINGREQ      -->
    14 DISCONNECT   -->

Numbers in brackets are requirements of the specification (MQTT 3.1.1, OASIS Standard).
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import NamedTuple

from bssci.mqtt.server.topics import TopicError, check_filter

PING_ANSWER = b"\xd0\x00"
REFUSED_FILTER = 0x80
"""return code of a SUBACK for a filter that is not granted"""
_ACKNOWLEDGE = b"\x40\x02"
MAX_FILTERS = 1000
"""filters of one packet"""
MAX_LENGTH_BYTES = 4
"""bytes of a remaining length (§2.2.3)"""


class PacketError(Exception):
    """A client has sent bytes that are not a permitted packet: the connection closes [MQTT-4.8.0-1].

    :ivar reason: short and stable, for counting.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownVersion(PacketError):
    """A client speaks another version of MQTT: answered with return code 1 [MQTT-3.1.2-2]."""

    def __init__(self, level: int) -> None:
        super().__init__("version", f"protocol level {level}; only 4 (MQTT 3.1.1) is supported")


class ConnectPacket(NamedTuple):
    """The client's first packet (CONNECT)."""

    client_id: str
    clean: bool
    """neither an earlier session is to be resumed nor this one to be kept"""
    keep_alive: int
    """s; 0: none"""
    username: str
    """empty if there is none"""
    password: bytes
    will: bool
    """the client wants something published when it is lost"""


class Subscribe(NamedTuple):
    """Filters that the client subscribes to, each with the highest QoS that it wants."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


class Unsubscribe(NamedTuple):
    """Filters that the client gives up."""

    packet_id: int
    filters: tuple[str, ...]


class Acknowledge(NamedTuple):
    """PUBACK: the client has a message of QoS 1."""

    packet_id: int


class Publish(NamedTuple):
    """A message that the client publishes; it is refused, so its contents are not read."""


class PingRequest(NamedTuple):
    """The client's keepalive (PINGREQ)."""


class Disconnect(NamedTuple):
    """The client's clean end of the connection (DISCONNECT)."""


Packet = ConnectPacket | Subscribe | Unsubscribe | Acknowledge | Publish | PingRequest | Disconnect


class PacketReader:
    """Cuts a stream into packets.

    :ivar limit: bytes that the body of a packet may have.
    """

    __slots__ = ("_buffer", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self._buffer = b""
        self._start = 0
        """place at which the next packet begins; what precedes it was read"""
        self.limit = limit

    def __len__(self) -> int:
        """Return the number of bytes that were added and not read yet."""
        return len(self._buffer) - self._start

    def take_packets_of(self, limit: int) -> None:
        """Change the limit of a packet's body, in bytes."""
        self.limit = limit

    def add(self, data: bytes) -> None:
        """Add bytes of the stream."""
        self._let_go()
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Packet | None:
        """Return the next packet; None if it is not complete. What follows it stays.

        :raises PacketError: the rest of the stream cannot be read.
        """
        buffer, start = self._buffer, self._start
        if buffer[start : start + 2] == _ACKNOWLEDGE and len(buffer) >= start + 4:
            # Most of what clients send, so it is read in one step.
            packet_id = buffer[start + 2] << 8 | buffer[start + 3]
            if packet_id:
                self._start = start + 4
                return Acknowledge(packet_id)
        length, position = 0, start + 1
        while True:
            if position > start + MAX_LENGTH_BYTES:
                raise PacketError("malformed", "a remaining length of more than four bytes")
            if position >= len(buffer):
                self._let_go()
                return None
            byte = buffer[position]
            length |= (byte & 0x7F) << 7 * (position - start - 1)
            position += 1
            if byte < 0x80:
                break
        if length > self.limit:
            raise PacketError("oversize", f"a packet of {length} bytes, {self.limit} are allowed")
        end = position + length
        if len(buffer) < end:
            self._let_go()
            return None
        self._start = end
        return _read(buffer[start], buffer[position:end])

    def _let_go(self) -> None:
        """Let go of what was read: once for all packets that came together, not after each of them."""
        self._buffer, self._start = self._buffer[self._start :], 0


class _Body:
    """The body of a packet, read from its beginning."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_over(self) -> bool:
        return self._position == len(self._data)

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            raise PacketError("malformed", "a packet that ends too early")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        """Return a string; one that is not UTF-8, or holds U+0000, is invalid [MQTT-1.5.3-1, -2]."""
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise PacketError("malformed", "a string that is not UTF-8") from None
        if "\0" in text:
            raise PacketError("malformed", "a string with the character U+0000")
        return text

    def packet_id(self) -> int:
        number = self.number(2)
        if not number:
            raise PacketError("malformed", "the packet identifier 0")
        return number

    def end(self) -> None:
        if not self.is_over:
            raise PacketError("malformed", "a packet with bytes after its last field")


def _read(first: int, data: bytes) -> Packet:
    kind, flags = first >> 4, first & 0x0F
    if kind == 3:
        return Publish()
    parser = _PARSERS.get(kind)
    if parser is None:
        raise PacketError("unexpected", f"a packet of type {kind}, which clients that read do not send")
    read, expected = parser
    if flags != expected:
        raise PacketError("malformed", f"flags {flags:#x} in a packet of type {kind}")
    body = _Body(data)
    packet = read(body)
    body.end()
    return packet


def _connect(body: _Body) -> ConnectPacket:
    name, level = body.binary(), body.number(1)
    if name not in (b"MQTT", b"MQIsdp"):
        raise PacketError("malformed", "a protocol other than MQTT")
    if (name, level) != (b"MQTT", 4):
        raise UnknownVersion(level)
    flags, keep_alive = body.number(1), body.number(2)
    has_will, will_qos, retain = bool(flags & 0x04), flags >> 3 & 0x03, bool(flags & 0x20)
    has_password, has_username = bool(flags & 0x40), bool(flags & 0x80)
    if flags & 0x01 or will_qos == 3 or (has_password and not has_username):
        raise PacketError("malformed", "flags of a CONNECT that exclude each other")
    if not has_will and (will_qos or retain):
        raise PacketError("malformed", "flags of a will without a will")
    client_id = body.text()
    if has_will:
        body.text()
        body.binary()
    username = body.text() if has_username else ""
    password = body.binary() if has_password else b""
    return ConnectPacket(client_id, bool(flags & 0x02), keep_alive, username, password, has_will)


def _filter(body: _Body) -> str:
    text = body.text()
    try:
        check_filter(text)
    except TopicError as error:
        raise PacketError("bad_filter", str(error)) from None
    return text


def _refuse_more(filters: Sized) -> None:
    if len(filters) >= MAX_FILTERS:
        raise PacketError("bad_filter", f"more than {MAX_FILTERS} topic filters in a packet")


def _subscribe(body: _Body) -> Subscribe:
    packet_id = body.packet_id()
    filters: list[tuple[str, int]] = []
    while not body.is_over:
        _refuse_more(filters)
        filters.append((_filter(body), body.number(1)))
    if not filters or any(qos > 2 for _, qos in filters):
        raise PacketError("malformed", "a SUBSCRIBE without a filter, or with a QoS other than 0 to 2")
    return Subscribe(packet_id, tuple(filters))


def _unsubscribe(body: _Body) -> Unsubscribe:
    packet_id = body.packet_id()
    filters: list[str] = []
    while not body.is_over:
        _refuse_more(filters)
        filters.append(_filter(body))
    if not filters:
        raise PacketError("malformed", "an UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters))


_PARSERS: dict[int, tuple[Callable[[_Body], Packet], int]] = {
    1: (_connect, 0),
    4: (lambda body: Acknowledge(body.packet_id()), 0),
    8: (_subscribe, 2),
    10: (_unsubscribe, 2),
    12: (lambda body: PingRequest(), 0),
    14: (lambda body: Disconnect(), 0),
}
"""by type: how the body is read, and the flags that the first byte must have [MQTT-2.2.2-2]"""


def connect_answer(code: int, session_present: bool = False) -> bytes:
    """Return a CONNACK."""
    return bytes((0x20, 2, session_present, code))


def subscribe_answer(packet_id: int, codes: bytes) -> bytes:
    """Return a SUBACK: for each filter the QoS that is granted, or :data:`REFUSED_FILTER`."""
    return b"\x90" + encoded_length(2 + len(codes)) + packet_id.to_bytes(2) + codes


def unsubscribe_answer(packet_id: int) -> bytes:
    """Return an UNSUBACK."""
    return b"\xb0\x02" + packet_id.to_bytes(2)


class EncodedMessage:
    """A message as bytes, encoded once for all its receivers; only flags and packet identifier differ.

    :param variable: the topic as it stands in the packet.
    """

    __slots__ = ("_at_most_once", "_head", "_payload", "_variable")

    def __init__(self, variable: bytes, payload: bytes) -> None:
        self._variable = variable
        self._payload = payload
        self._at_most_once = b""
        """the whole packet of QoS 0, made at its first use and shared by all receivers"""
        self._head = encoded_length(len(variable) + 2 + len(payload)) + variable

    def __len__(self) -> int:
        """Return the bytes of topic and payload."""
        return len(self._variable) + len(self._payload)

    def packet(self, packet_id: int = 0, *, retained: bool = False, repeated: bool = False) -> bytes:
        """Return a PUBLISH.

        :param packet_id: 0: QoS 0.
        :param retained: it is the last value, sent because of a new subscription.
        :param repeated: it may have been sent before.
        """
        if packet_id:
            first = 0x32 | retained | repeated << 3
            return bytes((first,)) + self._head + packet_id.to_bytes(2) + self._payload
        if retained:
            return self._whole(b"\x31")
        if not self._at_most_once:
            self._at_most_once = self._whole(b"\x30")
        return self._at_most_once

    def _whole(self, first: bytes) -> bytes:
        variable, payload = self._variable, self._payload
        return first + encoded_length(len(variable) + len(payload)) + variable + payload


def encode_message(topic: str, payload: bytes) -> EncodedMessage:
    """Encode a message for many clients."""
    name = topic.encode()
    return EncodedMessage(len(name).to_bytes(2) + name, payload)


def encoded_length(length: int) -> bytes:
    """Return a remaining length (§2.2.3)."""
    if length < 0x80:
        return bytes((length,))
    encoded = bytearray()
    while True:
        length, byte = length >> 7, length & 0x7F
        if not length:
            encoded.append(byte)
            return bytes(encoded)
        encoded.append(byte | 0x80)
