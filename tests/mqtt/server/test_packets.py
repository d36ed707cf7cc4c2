"""bssci.mqtt.server.packets: bytes against the specification, and against paho's own encoder and decoder."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.mqtt.server.packets import (
    MAX_FILTERS,
    Acknowledge,
    ConnectPacket,
    Disconnect,
    Packet,
    PacketError,
    PacketReader,
    PingRequest,
    Publish,
    Subscribe,
    UnknownVersion,
    Unsubscribe,
    connect_answer,
    encode_message,
    encoded_length,
    subscribe_answer,
    unsubscribe_answer,
)

CONNECT = bytes.fromhex("10 13 0004 4d515454 04 82 003c 0002 6964 0003 746f6b".replace(" ", ""))
SUBSCRIBE = b"\x82\x08\x00\x07\x00\x03a/#\x01"


def read(data: bytes, limit: int = 1000) -> list[Packet]:
    reader = PacketReader(limit)
    reader.add(data)
    found = []
    while (packet := reader.next()) is not None:
        found.append(packet)
    return found


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2) + data


def packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + encoded_length(len(body)) + body


def connect(name: bytes = b"MQTT", level: int = 4, flags: int = 2, body: bytes = b"\0\2id") -> bytes:
    return packet(0x10, text(name) + bytes((level, flags, 0, 60)) + body)


def test_a_connect_packet_is_read() -> None:
    assert read(CONNECT) == [ConnectPacket("id", True, 60, "tok", b"", False)]


def test_a_connect_with_everything() -> None:
    body = text("id") + text("will/topic") + text("gone") + text("user") + text("secret")
    assert read(connect(flags=0b11110110, body=body)) == [
        ConnectPacket("id", True, 60, "user", b"secret", True)
    ]


def test_subscribe_unsubscribe_and_what_is_short() -> None:
    assert read(SUBSCRIBE) == [Subscribe(7, (("a/#", 1),))]
    assert read(b"\xa2\x07\x00\x08\x00\x03a/b") == [Unsubscribe(8, ("a/b",))]
    assert read(b"\x40\x02\x01\x02\xc0\x00\xe0\x00") == [Acknowledge(258), PingRequest(), Disconnect()]
    assert read(b"\x33\x04\x00\x01a!") == [Publish()]


@pytest.mark.parametrize("name, level", [(b"MQIsdp", 3), (b"MQTT", 3), (b"MQTT", 5)])
def test_another_version_is_told_apart(name: bytes, level: int) -> None:
    with pytest.raises(UnknownVersion):
        read(connect(name, level))


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"\x10\xff\xff\xff\xff\x01", "malformed"),
        (b"\x10\x80\x80\x80\x80", "malformed"),
        (b"\x82\xff\x7f", "oversize"),
        (connect(name=b"HTTP"), "malformed"),
        (connect(flags=0x03), "malformed"),
        (connect(flags=0x42, body=text("id") + text("password alone")), "malformed"),
        (connect(flags=0x1E, body=text("id") * 3), "malformed"),
        (connect(flags=0x22), "malformed"),
        (connect(body=b"\0\2id more"), "malformed"),
        (connect(body=b"\0\5id"), "malformed"),
        (connect(body=text(b"\xff\xfe")), "malformed"),
        (connect(body=text("a\0b")), "malformed"),
        (connect(body=text(b"\xed\xa0\x80")), "malformed"),
        (b"\x11\x00", "malformed"),
        (b"\x80" + SUBSCRIBE[1:], "malformed"),
        (b"\x82\x08\x00\x00\x00\x03a/#\x01", "malformed"),
        (b"\x82\x08\x00\x07\x00\x03a/#\x03", "malformed"),
        (b"\x82\x02\x00\x07", "malformed"),
        (b"\xa2\x02\x00\x07", "malformed"),
        (packet(0x82, b"\0\7" + text("") + b"\0"), "bad_filter"),
        (packet(0x82, b"\0\7" + text("a/#/b") + b"\0"), "bad_filter"),
        (packet(0x82, b"\0\7" + text("+a") + b"\0"), "bad_filter"),
        (packet(0x82, b"\0\7" + text("a\0") + b"\0"), "malformed"),
        (packet(0xA2, b"\0\7" + text("a#")), "bad_filter"),
        (b"\x40\x02\x00\x00", "malformed"),
        (b"\x40\x03\x00\x01\x00", "malformed"),
        (b"\xc0\x01\x00", "malformed"),
        (b"\x20\x02\x00\x00", "unexpected"),
        (b"\x00\x00", "unexpected"),
        (b"\x50\x02\x00\x01", "unexpected"),
        (b"\xf0\x00", "unexpected"),
    ],
)
def test_what_must_not_be_sent(data: bytes, reason: str) -> None:
    with pytest.raises(PacketError) as refused:
        read(data)
    assert refused.value.reason == reason


def test_a_filter_as_long_as_a_text_may_be() -> None:
    longest = "x" * 65535
    assert read(packet(0x82, b"\0\1" + text(longest) + b"\0"), 70_000) == [Subscribe(1, ((longest, 0),))]


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_refused(data: bytes) -> None:
    try:
        read(data)
    except PacketError as error:
        assert error.reason in {"malformed", "oversize", "unexpected", "bad_filter", "version"}


STREAM = CONNECT + SUBSCRIBE + b"\x40\x02\x01\x02" + b"\xc0\x00" + b"\xe0\x00"


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_packets_cut_anywhere_and_joined_are_the_same(cuts: list[int]) -> None:
    reader, found = PacketReader(1000), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in zip(edges, edges[1:], strict=False):
        reader.add(STREAM[start:end])
        while (one := reader.next()) is not None:
            found.append(one)
    assert found == read(STREAM)
    assert len(found) == 5


@given(st.integers(0, len(CONNECT) - 1), st.integers(0, 255))
def test_a_changed_byte_harms_nobody(place: int, value: int) -> None:
    changed = CONNECT[:place] + bytes((value,)) + CONNECT[place + 1 :]
    with suppress(PacketError):
        read(changed)


def test_answers_are_written_as_the_standard_has_them() -> None:
    assert connect_answer(0, True) == b"\x20\x02\x01\x00"
    assert connect_answer(5) == b"\x20\x02\x00\x05"
    assert subscribe_answer(7, b"\x01\x80") == b"\x90\x04\x00\x07\x01\x80"
    assert unsubscribe_answer(8) == b"\xb0\x02\x00\x08"


@pytest.mark.parametrize(
    "length, data",
    [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (268435455, "ffffff7f")],
)
def test_lengths_of_the_specification(length: int, data: str) -> None:
    assert encoded_length(length).hex() == data


def test_a_message_for_both_qualities_of_service() -> None:
    message = encode_message("a/b", b"hi")
    assert message.packet() == b"\x30\x07\x00\x03a/bhi"
    assert message.packet(retained=True) == b"\x31\x07\x00\x03a/bhi"
    assert message.packet(0x1234) == b"\x32\x09\x00\x03a/b\x12\x34hi"
    assert message.packet(1, retained=True, repeated=True)[:1] == b"\x3b"
    assert message.packet() is message.packet()


@given(st.text(min_size=1, max_size=50), st.binary(max_size=300), st.integers(0, 65535))
def test_paho_reads_what_is_written(topic: str, payload: bytes, packet_id: int) -> None:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion

    heard: list[MQTTMessage] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda client, data, message: heard.append(message)
    client._send_puback = lambda mid: 0  # type: ignore[method-assign]
    data = encode_message(topic, payload).packet(packet_id)
    start = next(place for place in range(1, 5) if data[place] < 0x80) + 1
    client._in_packet = {"command": data[0], "remaining_length": len(data) - start, "packet": data[start:]}
    client._handle_publish()
    [message] = heard
    assert (message.topic.encode(), message.payload) == (topic.encode(), payload)
    assert (message.qos, message.mid) == ((1, packet_id) if packet_id else (0, 0))


def test_what_was_read_is_let_go_when_the_rest_is_incomplete() -> None:
    reader = PacketReader(1000)
    reader.add(b"\xc0\0" * 5000 + b"\x82")
    whole = reader._buffer
    for _ in range(5000):
        assert reader.next() == PingRequest()
        assert reader._buffer is whole, "copied with each packet"
    assert reader.next() is None
    assert reader._buffer == b"\x82"


@pytest.mark.parametrize(("first", "ending"), [(0x82, b"\0"), (0xA2, b"")])
def test_a_packet_has_no_more_than_so_many_filters(first: int, ending: bytes) -> None:
    def body(number: int) -> bytes:
        return packet(first, b"\0\7" + (text("a") + ending) * number)

    [most] = read(body(MAX_FILTERS), limit=100_000)
    assert len(most.filters) == MAX_FILTERS  # type: ignore[union-attr]
    with pytest.raises(PacketError, match="more than 1000 topic filters"):
        read(body(MAX_FILTERS + 1), limit=100_000)
