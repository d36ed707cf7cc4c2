"""Additions of MQTT 5: properties of messages, limits of the broker, reasons in words. No I/O."""

from __future__ import annotations

import struct
from typing import NamedTuple

from paho.mqtt import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bssci.mqtt.values import About, ReplyTo

FAILURE = 0x80
"""reason codes from here on are failures (§2.4)"""
NOT_AUTHORIZED, PACKET_TOO_LARGE, TAKEN_OVER = 0x87, 0x95, 0x8E
FOR_EVER = 0xFFFFFFFF
"""s that a session is kept: forever, or up to the broker's own limit"""
_REASONS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "the broker has a reason of its own",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep-alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

_JSON = b"\x01\x01\x03\x00\x10application/json"
"""payload is UTF-8, and its content type"""
_RESPONSE_TOPIC, _CORRELATION, _USER = b"\x08", b"\x09", b"\x26"
FEW = 256
"""bytes of properties that paho reads fast, whatever they are"""
MANY = 100_000
"""bytes of properties beyond which none is read"""
_ANY_NUMBER = (0x0B, 0x26)
"""properties that a message may have any number of times: subscription identifiers and those of users"""
_FIXED = {0x01: 1, 0x02: 4, 0x23: 2}
"""bytes of a property's value"""
_TEXTS = {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}
"""texts, each after its length, that a property's value consists of"""


class BrokerLimits(NamedTuple):
    """The limits that a broker sets when it accepts a connection (§3.2.2.3)."""

    window: int = 65535
    """messages that may wait for their acknowledgement"""
    packet: int = 0
    """bytes of a packet; 0: no limit"""
    qos: int = 2
    retain: bool = True
    """true: it takes retained messages"""
    keepalive: int = 0
    """s of the keepalive that it wants instead of ours; 0: ours"""
    client_id: str = ""
    """client identifier that it gave us; empty: ours"""


class Packed(Properties):
    """Encoded properties of one message: faster than paho, which looks up the name of each property."""

    def __init__(self, packed: bytes) -> None:
        object.__setattr__(self, "_packed", packed)

    def pack(self) -> bytes:
        packed: bytes = object.__getattribute__(self, "_packed")
        return packed

    def __str__(self) -> str:
        return ""


def limits_of(properties: Properties | None) -> BrokerLimits:
    """Return the limits in a CONNACK."""
    none = BrokerLimits()
    return BrokerLimits(
        window=getattr(properties, "ReceiveMaximum", none.window),
        packet=getattr(properties, "MaximumPacketSize", none.packet),
        qos=getattr(properties, "MaximumQoS", none.qos),
        retain=bool(getattr(properties, "RetainAvailable", none.retain)),
        keepalive=getattr(properties, "ServerKeepAlive", none.keepalive),
        client_id=getattr(properties, "AssignedClientIdentifier", none.client_id),
    )


def pack(about: About | None) -> Packed:
    """Return the properties of a JSON message."""
    packed = _JSON
    if about is not None:
        if about.schema:
            packed += _USER + _text("schema") + _text(about.schema)
        if about.id:
            packed += _USER + _text("id") + _text(about.id)
        if about.correlation:
            packed += _CORRELATION + len(about.correlation).to_bytes(2, "big") + about.correlation
    return Packed(_length(len(packed)) + packed)


def lightened(body: bytearray, at: int) -> bytearray | None:
    """Return a PUBLISH without the properties that it may have any number of times; None if it is malformed.

    Nothing here uses them, and paho takes time with the square of their number, minutes for a megabyte.
    Beyond :data:`MANY` bytes all are left out.

    :param body: what follows the fixed header; it is returned as it is if it has few properties.
    :param at: where the length of the properties stands.
    """
    length, start = _number(body, at)
    end = start + length
    if not start or end > len(body):
        return None
    if length <= FEW:
        return body
    kept = bytearray()
    place = start if length <= MANY else end
    while place < end:
        after = _end_of_property(body, place)
        if not place < after <= end:
            return None
        if body[place] not in _ANY_NUMBER:
            kept += body[place:after]
        place = after
    return body[:at] + _length(len(kept)) + kept + body[end:]


def _end_of_property(body: bytearray, place: int) -> int:
    """Return where the property at a place ends; 0: it is none of a PUBLISH."""
    kind, at = body[place], place + 1
    if kind == 0x0B:
        return _number(body, at)[1]
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind not in _TEXTS:
        return 0
    for _ in range(_TEXTS[kind]):
        at += 2 + int.from_bytes(body[at : at + 2], "big")
    return at


def _number(body: bytearray, at: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends; (0, 0): it does not."""
    number = 0
    for index, byte in enumerate(body[at : at + 4]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    return 0, 0


def connect_properties(*, persistent: bool) -> Properties:
    """Return the properties of a CONNECT: no topic aliases from the broker, as is the default."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = FOR_EVER if persistent else 0
    return properties


def will_properties() -> Packed:
    """Return the properties of the last will."""
    return pack(About("service-status"))


def reply_of(properties: Properties | None) -> ReplyTo | None:
    """Return the response topic and correlation data of a message; None if it has neither."""
    topic = getattr(properties, "ResponseTopic", "")
    correlation = getattr(properties, "CorrelationData", b"")
    return ReplyTo(topic, correlation) if topic or correlation else None


def expiry_of(properties: Properties | None) -> int | None:
    """Return for how many s a message is valid; None: forever."""
    expiry: int | None = getattr(properties, "MessageExpiryInterval", None)
    return expiry


def reason_words(code: int, properties: Properties | None = None) -> str:
    """Return a reason code in words, with the reason string of the broker if there is one."""
    reason = _REASONS.get(code, f"reason code 0x{code:02X}")
    said = getattr(properties, "ReasonString", "")
    return f"{reason} ({said[:200]})" if said else reason


def answer_words(body: bytes) -> tuple[int, str]:
    """Return the reason code of a PUBACK or PUBREC, as a number and in words.

    :param body: what follows the fixed header.
    """
    code = body[2]
    properties: Properties | None = None
    if len(body) > 3:
        properties = Properties(PacketTypes.PUBACK)
        try:
            properties.unpack(body[3:])
        except (MQTTException, struct.error, ValueError, IndexError, KeyError):
            properties = None
    return code, reason_words(code, properties)


def _text(text: str) -> bytes:
    encoded = text.encode()[:0xFFFF]
    return len(encoded).to_bytes(2, "big") + encoded


def _length(number: int) -> bytes:
    """Return a variable byte integer (§1.5.5)."""
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
