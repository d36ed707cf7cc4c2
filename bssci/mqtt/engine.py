"""Protocol engine for MQTT on paho-mqtt: packets in, packets out, and no socket of its own.

paho asks :meth:`Client._create_socket` for its socket and uses that through ``recv``, ``send`` and
``close``. The method is not public, so the requirement stays ``paho-mqtt>=2.1,<3`` and
``tests/mqtt/test_engine.py`` checks the seam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from bssci.mqtt import version5
from bssci.mqtt.values import MqttSettings

KEEPALIVE = 30
"""s without any other packet after which a ping goes out"""

_MAXIMUM_HEADER = 5
_PUBLISH = 3
LARGEST_ANSWER = 4096
"""bytes of a packet that is not a PUBLISH, as :class:`PacketGate` counts them"""
_PUBACK, _PUBREC, _PUBCOMP = b"\x40\x02", b"\x50\x02", b"\x70\x02"
_QUALITY, _ONCE, _TWICE = 0b110, 0b010, 0b100
"""bits of the QoS in the first byte of a PUBLISH, and those of QoS 1 and QoS 2"""


class EngineSocket:
    """The socket that paho is given: two buffers in memory."""

    def __init__(self) -> None:
        self.closed = False
        self._inbound = b""
        self._position = 0
        self._outbound: list[bytes | bytearray] = []

    def feed(self, data: bytes) -> None:
        """Offer ``data`` to the engine, which must have read all of the previous input."""
        self._inbound = data
        self._position = 0

    @property
    def unread(self) -> bool:
        return self._position < len(self._inbound)

    def take(self) -> bytes:
        """Return everything sent since the last call, in one piece."""
        data = b"".join(self._outbound)
        self._outbound.clear()
        return data

    def recv(self, size: int) -> bytes:
        start = self._position
        data = self._inbound[start : start + size]
        if not data:
            raise BlockingIOError
        self._position = start + len(data)
        return data

    def send(self, data: bytes | bytearray) -> int:
        self._outbound.append(data)
        return len(data)

    def close(self) -> None:
        self.closed = True

    def fileno(self) -> int:
        return -1

    def setblocking(self, flag: bool) -> None:
        """Do nothing: no call here ever blocks."""


EXACTLY_ONCE = 2
"""QoS of messages that are delivered exactly once"""


Settled = Callable[[int, bytes | bytearray], None]
"""called when the broker has answered a published message: packet id, body of the answer"""


class Engine(Client):
    """The protocol of one connection, MQTT 3.1.1 or 5.

    The session at the broker outlives the connection, so that requests published meanwhile come with the
    next one. With QoS 2 it does not: the broker would take a new message with the packet identifier of one
    that was in flight for its repetition.

    The bytes to send are in ``io`` after :meth:`loop_write`; ``on_writable_wanted`` is called when there
    are some.
    """

    def __init__(
        self, settings: MqttSettings, on_writable_wanted: Callable[[], None], on_settled: Settled
    ) -> None:
        is_5 = settings.version == "5"
        self._is_clean = settings.qos == EXACTLY_ONCE or not settings.client_id or not settings.persistent
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if is_5 else self._is_clean,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.io = EngineSocket()
        if settings.username:
            self.username_pw_set(settings.username, settings.password or None)
        if settings.will is not None:
            topic, payload = settings.will
            properties = version5.will_properties() if is_5 else None
            self.will_set(topic, payload, qos=1, retain=settings.retained_will)
            # Not by will_set, which takes paho's own properties only.
            self._will_properties = properties
        # The window is kept by the connection: with a limit of its own, paho
        # walks all messages in flight at every acknowledgement.
        self.max_inflight_messages_set(0)
        self.on_socket_register_write = lambda client, userdata, sock: on_writable_wanted()
        self._on_writable_wanted = on_writable_wanted
        self._settings = settings
        self.is_5 = is_5
        self._on_settled = on_settled
        self._exactly_once: set[int] = set()
        """packet ids of received messages with QoS 2 that are not acknowledged yet"""

    def open(self) -> None:
        """Queue the CONNECT packet."""
        if not self.is_5:
            self.connect(self._settings.host, self._settings.port, KEEPALIVE)
            return
        self.connect(
            self._settings.host,
            self._settings.port,
            KEEPALIVE,
            clean_start=self._is_clean,
            properties=version5.connect_properties(persistent=not self._is_clean),
        )

    def acknowledge(self, packet_id: int) -> None:
        """Queue the PUBACK of a message, or the PUBREC of one with QoS 2; the engine sends none by itself."""
        answer = _PUBACK
        if packet_id in self._exactly_once:
            self._exactly_once.remove(packet_id)
            answer = _PUBREC
        self.io.send(answer + packet_id.to_bytes(2, "big"))

    def topic_in_flight(self, packet_id: int) -> str:
        """Return the topic of a message that the broker has not acknowledged; empty: it has."""
        message = self._out_messages.get(packet_id)
        return "" if message is None else str(message.topic)

    def _create_socket(self) -> EngineSocket:
        return self.io

    def _handle_publish(self) -> MQTTErrorCode:
        """Deliver a PUBLISH, without thousands of properties, and of QoS 2 at once, like one of QoS 1.

        Our subscriptions do not allow QoS 2: paho would keep it until the broker releases it, and a broker
        that never does would fill the memory.
        """
        command, body = self._in_packet["command"], self._in_packet["packet"]
        at = 2 + int.from_bytes(body[:2], "big")
        if command & _QUALITY == _TWICE:
            self._in_packet["command"] = command & ~_QUALITY | _ONCE
            self._exactly_once.add(int.from_bytes(body[at : at + 2], "big"))
        if self.is_5:
            light = version5.lightened(body, at + 2 if command & _QUALITY else at)
            if light is None:
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            self._in_packet["packet"] = light
        return super()._handle_publish()

    def _handle_pubrel(self) -> MQTTErrorCode:
        """Answer the release of a message of QoS 2, which was delivered when it came."""
        body = self._in_packet["packet"]
        if len(body) < 2:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self.io.send(_PUBCOMP + body[:2])
        self._on_writable_wanted()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pubackcomp(self, cmd: str) -> MQTTErrorCode:
        """Take a PUBACK or PUBCOMP. paho's own method builds objects for reason and properties each time,
        which is the most expensive part of publishing, and fails at reason codes that it does not know.
        """
        return self._settle(self._in_packet["packet"])

    def _handle_pubrec(self) -> MQTTErrorCode:
        body = self._in_packet["packet"]
        if self.is_5 and len(body) > 2 and body[2] >= version5.FAILURE:
            # Refused: nothing is to be released (§4.3.3).
            return self._settle(body)
        return super()._handle_pubrec()

    def _settle(self, body: bytes | bytearray) -> MQTTErrorCode:
        if len(body) < 2:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        packet_id = body[0] << 8 | body[1]
        if self._out_messages.pop(packet_id, None) is not None:
            self._inflight_messages -= 1
            self._on_settled(packet_id, body)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


@dataclass(frozen=True)
class SkippedMessage:
    """A PUBLISH that was cut out."""

    topic: bytes
    packet_id: int
    """0 for QoS 0"""
    size: int
    """bytes of the payload"""
    retained: bool


class _Cut:
    """A packet that is being cut out; what precedes the payload of a PUBLISH is kept.

    :param length: bytes behind the fixed header
    """

    def __init__(self, first: int, length: int) -> None:
        self._is_publish = first >> 4 == _PUBLISH
        self._quality = first >> 1 & 3
        self._retained = bool(first & 1)
        self._length = length
        self.missing = length
        self._head = b""

    def take(self, data: bytes, start: int) -> int:
        """Take the bytes from ``start`` on that belong to the packet, and return where they end."""
        end = min(start + self.missing, len(data))
        self.missing -= end - start
        while (wanted := self._head_length() - len(self._head)) > 0 and start < end:
            piece = data[start : min(start + wanted, end)]
            self._head += piece
            start += len(piece)
        return end

    def message(self) -> SkippedMessage | None:
        """Return the skipped message when nothing of it is missing; None for other packets, or if it is
        malformed.
        """
        length = self._head_length()
        if not length or len(self._head) < length:
            return None
        topic = 2 + int.from_bytes(self._head[:2], "big")
        return SkippedMessage(
            self._head[2:topic],
            int.from_bytes(self._head[topic:], "big"),
            self._length - length,
            self._retained,
        )

    def _head_length(self) -> int:
        """Return the length of the packet's head, as far as it is known."""
        if not self._is_publish:
            return 0
        if len(self._head) < 2:
            return 2
        return 2 + int.from_bytes(self._head[:2], "big") + (2 if self._quality else 0)


class PacketGate:
    """Cuts packets beyond a size out of a stream of MQTT packets, however its bytes are split.

    paho would buffer up to 256 MB for one packet. Closing the connection instead would not help: a retained
    message comes again at each reconnect.
    """

    def __init__(self, maximum: int) -> None:
        """:param maximum: bytes that a PUBLISH may have behind its fixed header"""
        self._maximum = maximum
        self._most_of_others = min(maximum, LARGEST_ANSWER)
        self._passing = 0
        self._cut: _Cut | None = None
        self._header = b""
        self.skipped: list[SkippedMessage | None] = []
        """packets cut out, until they are taken; None for one that is not a PUBLISH"""

    def filter(self, data: bytes) -> bytes:
        """Return the part of ``data`` that belongs to packets of acceptable size."""
        if self._header:
            data, self._header = self._header + data, b""
        end = len(data)
        position = self._skip(data, 0)
        kept: list[bytes] = []
        start = position
        position += min(self._passing, end - position)
        self._passing -= position - start
        while position < end:
            body, length = _fixed_header(data, position)
            if body == 0:
                self._header = data[position:]
                break
            if length > (self._maximum if data[position] >> 4 == _PUBLISH else self._most_of_others):
                kept.append(data[start:position])
                self._cut = _Cut(data[position], length)
                position = start = self._skip(data, body)
            else:
                position = min(body + length, end)
                self._passing = body + length - position
        kept.append(data[start : end - len(self._header)])
        return b"".join(kept)

    def take_skipped(self) -> list[SkippedMessage | None]:
        """Return the packets that were cut out since the last call."""
        skipped, self.skipped = self.skipped, []
        return skipped

    def _skip(self, data: bytes, start: int) -> int:
        """Return the index in ``data`` where the packet that is cut out ends."""
        if self._cut is None:
            return start
        end = self._cut.take(data, start)
        if not self._cut.missing:
            self.skipped.append(self._cut.message())
            self._cut = None
        return end


def _fixed_header(data: bytes, start: int) -> tuple[int, int]:
    """Return where the packet's body starts and how long it is; (0, 0) if the header is incomplete.

    An invalid header counts as an empty packet, which the engine then refuses.
    """
    length = 0
    for index in range(start + 1, min(start + _MAXIMUM_HEADER, len(data))):
        byte = data[index]
        length |= (byte & 0x7F) << 7 * (index - start - 1)
        if byte < 0x80:
            return index + 1, length
    if len(data) - start >= _MAXIMUM_HEADER:
        return start + _MAXIMUM_HEADER, 0
    return 0, 0
