"""A client of the live stream in memory: bytes of MQTT in WebSocket frames, on a site whose time is moved."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from msgspec.structs import replace
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from bssci.model import EUI, Uplink
from bssci.mqtt.server.packets import encoded_length
from bssci.web.access.live_tokens import Wish
from bssci.web.door import past
from bssci.web.door.door import Door
from bssci.web.live import feed
from tests.support.journal import reception
from tests.support.web import SENSOR, Connection, WebHouse

STATION = "70B3D59CD0000001"
OTHER = "70B3D56770110002"
UPLINK = f"mioty/ep/{SENSOR}/ul"
VOLUME = f"device/mioty:{SENSOR}/telemetry/volume"

HANDSHAKE = {
    "Host": "service.test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "mqtt",
}


def text(value: str | bytes) -> bytes:
    """A string of MQTT."""
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2) + data


def packet(first: int, body: bytes) -> bytes:
    """A control packet."""
    return bytes((first,)) + encoded_length(len(body)) + body


def connect_packet(
    token: str,
    client_id: str = "c",
    *,
    clean: bool = True,
    keep_alive: int = 60,
    password: str | None = None,
    will: bool = False,
) -> bytes:
    """A CONNECT."""
    flags = 0x80 | clean << 1 | (password is not None) << 6 | will << 2
    body = text("MQTT") + bytes((4, flags)) + keep_alive.to_bytes(2) + text(client_id)
    if will:
        body += text("will") + text("gone")
    body += text(token)
    return packet(0x10, body if password is None else body + text(password))


def subscribe_packet(*filters: str, qos: int = 1, number: int = 7) -> bytes:
    """A SUBSCRIBE."""
    return packet(0x82, number.to_bytes(2) + b"".join(text(each) + bytes((qos,)) for each in filters))


class Message(NamedTuple):
    """A PUBLISH that arrived."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    repeated: bool
    packet_id: int


class LiveProbe:
    """A client; :meth:`take` returns what arrived since it was called last.

    :ivar closed: code and reason of the close frame that came.
    """

    def __init__(self, house: WebHouse, headers: dict[str, str] | None = None, path: str = "/mqtt") -> None:
        self.house = house
        self.connection = Connection(house)
        self._read = 0
        self._buffer = b""
        self._kept: list[Any] = []
        self._machine = ClientProtocol(parse_uri("ws://service.test/mqtt"), state=OPEN, max_size=None)
        lines = "".join(
            f"{name}: {value}\r\n" for name, value in (HANDSHAKE | (headers or {})).items() if value
        )
        self.connection.send(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        head, _, rest = self.connection.received.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])
        self.head, self.body = head.decode(), rest
        self._read = len(self.connection.received)

    @property
    def closed(self) -> tuple[int, str] | None:
        self._receive()
        close = self._machine.close_rcvd
        return None if close is None else (int(close.code), close.reason)

    def send(self, data: bytes) -> None:
        """Send packets in one binary frame."""
        self._machine.send_binary(data)
        self.send_raw(b"".join(self._machine.data_to_send()))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.send(data)

    def take(self) -> list[Any]:
        """Packets that arrived: bytes, or a :class:`Message`."""
        self._receive()
        found, self._kept = self._kept, []
        while len(self._buffer) >= 2:
            length, position = 0, 1
            while True:
                byte = self._buffer[position]
                length |= (byte & 0x7F) << 7 * (position - 1)
                position += 1
                if byte < 0x80:
                    break
            whole, self._buffer = self._buffer[: position + length], self._buffer[position + length :]
            found.append(_message(whole, position) if whole[0] >> 4 == 3 else whole)
        return found

    def answer(self) -> bytes:
        """The next packet, which is no message; what came behind it stays."""
        first, *self._kept = self.take()
        assert isinstance(first, bytes)
        return first

    def messages(self) -> list[Message]:
        """The messages that arrived, acknowledged."""
        found = [each for each in self.take() if isinstance(each, Message)]
        self.acknowledge(found)
        return found

    def acknowledge(self, messages: list[Message]) -> None:
        """Send the PUBACKs."""
        data = b"".join(b"\x40\x02" + each.packet_id.to_bytes(2) for each in messages if each.qos)
        if data:
            self.send(data)

    def _receive(self) -> None:
        received = self.connection.received
        data, self._read = received[self._read :], len(received)
        if data:
            self._machine.receive_data(data)
        for frame in self._machine.events_received():
            if frame.opcode is Opcode.BINARY:
                self._buffer += frame.data


def _message(data: bytes, position: int) -> Message:
    first = data[0]
    size = int.from_bytes(data[position : position + 2])
    topic = data[position + 2 : position + 2 + size].decode()
    rest = data[position + 2 + size :]
    qos = first >> 1 & 3
    number, payload = (int.from_bytes(rest[:2]), rest[2:]) if qos else (0, rest)
    return Message(topic, payload, qos, bool(first & 1), bool(first & 8), number)


def live_token(house: WebHouse, name: str = "live", **more: Any) -> str:
    """A new token."""
    secret, _ = house.file.create_live_token(Wish(name=name, **more))
    return secret


def inside(house: WebHouse, token: str = "", client_id: str = "c", **more: Any) -> LiveProbe:
    """A client that was let in."""
    probe = LiveProbe(house)
    probe.send(connect_packet(token or live_token(house), client_id, **more))
    [answer] = probe.take()
    assert answer[:2] == b"\x20\x02" and answer[3] == 0, answer
    return probe


def the_door(web: WebHouse) -> Door:
    """The live stream of a web admin."""
    return web.admin.context.door


def heard(web: WebHouse, number: int, sensor: str = SENSOR) -> Uplink:
    """An uplink of a meter, now."""
    payload = b"\0" + number.to_bytes(4) + bytes.fromhex("006917D2")
    best = replace(
        reception(number, EUI(sensor), payload=payload),
        rx_time=int(web.now() * 1000) * 1_000_000,
        received_at=web.now(),
    )
    return Uplink(at=web.now(), id=f"{sensor}-{number}", known=True, receptions=[best], duplicates=0)


def happen(web: WebHouse, *events: Any) -> None:
    """Have events happen, and clients be shown them."""
    web.happen(*events)
    web.advance(feed.PACE)


def subscribed(web: WebHouse, *filters: str, qos: int = 1, **more: Any) -> LiveProbe:
    """A client that was let in and granted these filters."""
    probe = inside(web, **more)
    probe.send(subscribe_packet(*filters, qos=qos))
    codes = probe.answer()
    assert codes[:2] == bytes((0x90, 2 + len(filters))) and set(codes[4:]) == {qos}
    web.advance(past.PAUSE)
    return probe


def topics(probe: LiveProbe) -> list[str]:
    """The topics of the messages that arrived, acknowledged."""
    return [message.topic for message in probe.messages()]


def refused(web: WebHouse, data: bytes) -> tuple[int, str]:
    """Return code, and the reason that is counted."""
    before = the_door(web).ended.copy()
    probe = LiveProbe(web)
    probe.send(data)
    [answer] = probe.take()
    assert probe.closed is not None
    assert probe.connection.transport.disconnecting
    [reason] = the_door(web).ended - before
    return answer[3], reason


def codes(web: WebHouse, token: str, *filters: str) -> list[int]:
    """The return codes of a SUBACK."""
    probe = inside(web, token, "codes")
    probe.send(subscribe_packet(*filters))
    return list(probe.take()[0][4:])


def inside_again(web: WebHouse, token: str, present: int = 1) -> LiveProbe:
    """A client that comes back, and has been shown what it missed."""
    back = LiveProbe(web)
    back.send(connect_packet(token, clean=False))
    assert back.answer() == bytes((0x20, 2, present, 0))
    web.advance(past.PAUSE)
    return back


def gap_of(probe: LiveProbe) -> tuple[dict[str, Any], list[int]]:
    """The gap that a client is told of, and the counters of the uplinks behind it."""
    first, *rest = probe.messages()
    assert first.topic == "mioty/service/gap"
    return json.loads(first.payload), [json.loads(message.payload)["cnt"] for message in rest]
