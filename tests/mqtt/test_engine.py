"""The seam between paho and us, and the gate before it."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties

from bssci.mqtt.engine import LARGEST_ANSWER, Engine, PacketGate, SkippedMessage
from bssci.mqtt.server.packets import encoded_length
from bssci.mqtt.values import MqttSettings
from tests.mqtt.memory_broker import Kind, packet, publish

CONNACK = packet(Kind.CONNACK, b"\0\0")


def opened(**settings) -> Engine:
    engine = Engine(MqttSettings(client_id="center", **settings), lambda: None, lambda packet_id, body: None)
    engine.open()
    return engine


def sent(engine: Engine) -> bytes:
    engine.loop_write()
    return engine.io.take()


def read(engine: Engine, data: bytes) -> None:
    engine.io.feed(data)
    while engine.io.unread:
        engine.loop_read()


def test_paho_has_the_methods_that_the_seam_needs():
    assert Engine._create_socket is not Client._create_socket
    assert callable(Client._create_socket)


def test_opening_makes_a_connect_packet_and_opens_no_socket():
    engine = opened(username="user", password="secret", will=("w", b"gone"))
    assert engine.socket() is engine.io
    # will retained with QoS 1, clean session, user name and password
    assert sent(engine) == packet(
        Kind.CONNECT, b"\0\x04MQTT\x04\xec\0\x1e\0\x06center\0\x01w\0\x04gone\0\x04user\0\x06secret"
    )


def test_nothing_is_sent_before_it_is_asked_for():
    wanted = []
    engine = Engine(
        MqttSettings(client_id="center"), lambda: wanted.append(True), lambda packet_id, body: None
    )
    engine.open()
    engine.publish("a", b"1", 1)
    assert engine.io.take() == b""
    assert wanted == [True]
    assert len(sent(engine)) > 0
    engine.publish("a", b"2", 1)
    assert wanted == [True, True]


def test_packets_go_through_byte_by_byte():
    engine, topics = opened(), []
    engine.on_message = lambda client, userdata, message: topics.append((message.topic, message.payload))
    for byte in CONNACK + publish("a/b", b"x" * 200) + publish("c", b""):
        read(engine, bytes([byte]))
    assert topics == [("a/b", b"x" * 200), ("c", b"")]


def test_the_engine_sets_no_window_of_its_own():
    engine = opened()
    read(engine, CONNACK)
    sent(engine)
    for _ in range(500):
        assert engine.publish("t", b"", 1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert sent(engine).count(b"\0\x01t") == 500


@pytest.mark.parametrize(
    "data", [packet(Kind.CONNACK, b"\0\x05"), packet(Kind.CONNACK, b"\0\x01"), b"\xf0\0"]
)
def test_refusal_and_nonsense_close_the_socket(data):
    engine = opened()
    read(engine, data)
    assert engine.io.closed


SMALL, LARGE = publish("a", b"x" * 60), publish("a", b"x" * 300)


@given(st.lists(st.sampled_from([SMALL, LARGE, CONNACK, b"\xc0\0"])), st.lists(st.integers(0, 1000)))
def test_the_gate_skips_large_packets_however_the_stream_is_cut(packets, cuts):
    stream = b"".join(packets)
    gate = PacketGate(100)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    kept = b"".join(gate.filter(stream[a:b]) for a, b in zip(edges, edges[1:], strict=False))
    assert kept == b"".join(one for one in packets if one is not LARGE)
    assert len(gate.skipped) == packets.count(LARGE)


TOPIC = b"mioty/ep/70B3D56770110001/dl"


@pytest.mark.parametrize(
    ("flags", "packet_id", "skipped"),
    [
        (0, b"", SkippedMessage(TOPIC, 0, 500, False)),
        (1, b"", SkippedMessage(TOPIC, 0, 500, True)),
        (2, b"\x12\x34", SkippedMessage(TOPIC, 0x1234, 500, False)),
        (11, b"\x12\x34", SkippedMessage(TOPIC, 0x1234, 500, True)),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_gate_tells_what_it_cut_out(
    flags: int, packet_id: bytes, skipped: SkippedMessage, step: int
) -> None:
    gate = PacketGate(100)
    stream = packet(Kind.PUBLISH, len(TOPIC).to_bytes(2) + TOPIC + packet_id + bytes(500), flags) + SMALL
    kept = b"".join(gate.filter(stream[start : start + step]) for start in range(0, len(stream), step))
    assert (kept, gate.skipped) == (SMALL, [skipped])


@pytest.mark.parametrize(
    "other", [packet(Kind.SUBACK, bytes(300)), packet(Kind.PUBLISH, b"\xff\xff" + bytes(300))]
)
def test_what_is_cut_out_and_no_message(other: bytes) -> None:
    gate = PacketGate(100)
    assert gate.filter(other + SMALL) == SMALL
    assert gate.skipped == [None]


@given(st.lists(st.binary()))
def test_the_gate_survives_nonsense(pieces):
    gate = PacketGate(100)
    assert len(b"".join(map(gate.filter, pieces))) <= len(b"".join(pieces))


def test_paho_stays_below_the_version_that_may_change_the_seam():
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    (paho,) = [line.replace(" ", "") for line in lines if line.startswith("paho-mqtt")]
    assert paho.endswith(",<3")


def test_only_messages_may_be_large():
    gate = PacketGate(10 * LARGEST_ANSWER)
    largest = packet(Kind.CONNACK, bytes(LARGEST_ANSWER))
    message = publish("a", b"x" * 2 * LARGEST_ANSWER)
    assert (
        gate.filter(largest + message + packet(Kind.CONNACK, bytes(LARGEST_ANSWER + 1))) == largest + message
    )
    assert gate.take_skipped() == [None]


@pytest.mark.parametrize(("flags", "packet_id"), [(0, b""), (2, b"\0\7"), (4, b"\0\7")])
def test_thousands_of_properties_are_gone_before_paho_reads_them(
    flags: int, packet_id: bytes, monkeypatch: pytest.MonkeyPatch
):
    read_properties, unpack = [], Properties.unpack

    def noted(properties, buffer):
        read_properties.append(len(buffer))
        return unpack(properties, buffer)

    engine, seen = opened(version="5"), []
    engine.on_message = lambda client, userdata, message: seen.append(message)
    read(engine, packet(Kind.CONNACK, b"\0\0\0"))
    monkeypatch.setattr(Properties, "unpack", noted)
    many = b"\x26\0\x01a\0\x01b" * 5000 + b"\x02\0\0\0\x3c"
    body = b"\0\1t" + packet_id + encoded_length(len(many)) + many + b"do"
    read(engine, packet(Kind.PUBLISH, body, flags))
    [message] = seen
    assert (message.payload, message.properties.MessageExpiryInterval) == (b"do", 60)
    assert read_properties == [8], "paho takes time with the square of their number"
    read(engine, packet(Kind.PUBLISH, b"\0\1t" + packet_id + b"\xff\xff\xff\x7f", flags))
    assert engine.io.closed
