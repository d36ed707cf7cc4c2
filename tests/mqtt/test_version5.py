"""MQTT 5: properties as bytes, limits, reasons; and the client that speaks it before a broker in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bssci.mqtt import version5
from bssci.mqtt.client import Publication
from bssci.mqtt.values import About, MessagesRefused, PublishRefusal, ReplyTo
from tests.mqtt.memory_broker import Kind, packet
from tests.mqtt.online_client import SETTINGS, Fixture

FIVE = replace(SETTINGS, version="5")


def unpacked(packed: bytes) -> dict[str, Any]:
    properties = Properties(PacketTypes.PUBLISH)
    _, length = properties.unpack(packed)
    assert length == len(packed)
    return properties.json()


def test_properties_are_those_that_paho_reads() -> None:
    plain = {"PayloadFormatIndicator": 1, "ContentType": "application/json"}
    assert unpacked(version5.pack(None).pack()) == plain
    about = About("uplink", "0123", b"\x00\xff")
    assert unpacked(version5.pack(about).pack()) == plain | {
        "CorrelationData": "00ff",
        "UserProperty": [("schema", "uplink"), ("id", "0123")],
    }
    long = unpacked(version5.pack(About(id="x" * 200)).pack())
    assert long["UserProperty"] == [("id", "x" * 200)]


def test_reasons_are_told_in_words() -> None:
    assert version5.reason_words(0x87) == "not authorized"
    assert version5.reason_words(0xEE) == "reason code 0xEE"
    said = b"\x00\x01\x87\x06\x1f\x00\x03why"
    assert version5.answer_words(said) == (0x87, "not authorized (why)")
    assert version5.answer_words(b"\x00\x01\x95") == (0x95, "packet too large")
    assert version5.answer_words(b"\x00\x01\x87\x7f\x1f") == (0x87, "not authorized")


def test_limits_that_are_not_told_are_none() -> None:
    assert version5.limits_of(None) == version5.BrokerLimits()
    assert version5.reply_of(None) is None and version5.expiry_of(None) is None


# The client


def connack(properties: bytes = b"", code: int = 0) -> bytes:
    return packet(Kind.CONNACK, b"\0" + bytes([code, len(properties)]) + properties)


class Five(Fixture):
    """A client that speaks MQTT 5, connected; what became of each :meth:`send`."""

    def __init__(self, limits: bytes = b"", **changes: Any) -> None:
        super().__init__(replace(FIVE, **changes))
        self.client.start()
        self.turn()
        [self.connect] = self.broker.packets()
        self.broker.receive(connack(limits))
        self.turn()
        self.broker.packets()

    def send(self, *messages: Publication) -> list[Any]:
        outcome: list[Any] = []
        self.client.publish(messages).addBoth(outcome.append)
        self.turn()
        return outcome

    def sent(self) -> list[tuple[str, int, bytes]]:
        """Topic, packet id and payload with its properties, of each message."""
        found = []
        for one in self.broker.packets():
            if one.kind is Kind.PUBLISH:
                topic, rest, packet_id = one.publish
                found.append((topic, packet_id, rest))
        return found

    def answer(self, packet_id: int, code: int = 0) -> None:
        self.broker.receive(packet(Kind.PUBACK, packet_id.to_bytes(2, "big") + bytes([code, 0])))


def refused(outcome: list[Any]) -> dict[int, PublishRefusal]:
    (failure,) = outcome
    assert failure.check(MessagesRefused)
    return dict(failure.value.refused)


def test_the_session_outlives_the_connection() -> None:
    it = Five()
    assert it.connect.body.startswith(b"\0\4MQTT\5")
    assert b"\x11\xff\xff\xff\xff" in it.connect.body
    assert not it.connect.body[7] & 0x02


def test_a_refused_message_costs_itself() -> None:
    it = Five()
    outcome = it.send(
        *(Publication("t", b"%d" % number, False, About("uplink", str(number))) for number in range(3))
    )
    sent = it.sent()
    assert [rest[1 + rest[0] :] for _, _, rest in sent] == [b"0", b"1", b"2"]
    it.answer(sent[1][1], 0x87)
    it.answer(sent[0][1])
    assert outcome == []
    # No subscriber: taken all the same.
    it.answer(sent[2][1], 0x10)
    assert refused(outcome) == {1: PublishRefusal(0x87, "not authorized")}


def test_a_reason_that_is_not_meant_for_messages_is_taken() -> None:
    it = Five()
    outcome = it.send(Publication("t", b"1"))
    it.answer(it.sent()[0][1], 0x95)
    assert refused(outcome) == {0: PublishRefusal(0x95, "packet too large")}
    assert it.client.online


def test_what_is_larger_than_the_broker_takes_is_not_sent() -> None:
    it = Five(limits=b"\x27\x00\x00\x00\x64")
    outcome = it.send(Publication("t", b"1"), Publication("t", b"x" * 100), Publication("t", b"2"))
    sent = it.sent()
    assert len(sent) == 2
    for _, packet_id, _ in sent:
        it.answer(packet_id)
    (refusal,) = refused(outcome).values()
    assert refusal.code == 0x95 and "100" in refusal.words
    assert "the broker takes 100" in next(iter(refused(it.send(Publication("t", b"x" * 100))).values())).words


def test_no_more_is_under_way_than_the_broker_takes() -> None:
    it = Five(limits=b"\x21\x00\x02")
    outcome = it.send(*[Publication("t", b"%d" % number) for number in range(5)])
    for left in (2, 2, 1):
        sent = it.sent()
        assert len(sent) == left
        for _, packet_id, _ in sent:
            it.answer(packet_id)
        it.turn()
    assert outcome == [None]


def test_the_broker_s_quality_of_service_and_its_no_to_retained_messages() -> None:
    it = Five(limits=b"\x24\x00\x25\x00")
    outcome = it.send(Publication("t", b"1", True))
    [one] = [each for each in it.broker.packets() if each.kind is Kind.PUBLISH]
    assert one.flags == 0
    assert outcome == [None]


def test_silence_is_measured_by_the_broker_s_keepalive() -> None:
    it = Five(limits=b"\x13\x01\x2c")
    it.clock.pump([1.0] * 100)
    assert it.client.online


def test_the_reason_for_the_end_is_told_in_words() -> None:
    it = Five()
    it.broker.receive(packet(Kind.DISCONNECT, b"\x8b\x00"))
    it.broker.close()
    assert it.client.history.last_error == "the broker ended the connection: server shutting down"


def test_another_client_with_our_identifier_is_certain_at_once() -> None:
    it = Five()
    it.broker.receive(packet(Kind.DISCONNECT, b"\x8e\x00"))
    it.broker.close()
    said = it.client.trouble
    assert "session taken over: another client uses the client identifier 'center', give each its own" in said


def test_a_request_says_where_its_answer_is_wanted_and_for_how_long_it_is_good() -> None:
    it = Five()
    seen: list[Any] = []
    it.client._on_message = seen.append
    properties = b"\x02\x00\x00\x00\x3c\x08\x00\x04back\x09\x00\x02\x00\x07"
    it.broker.receive(packet(Kind.PUBLISH, b"\0\1t\0\7" + bytes([len(properties)]) + properties + b"do", 2))
    [message] = seen
    assert (message.payload, message.reply, message.expires_in) == (b"do", ReplyTo("back", b"\0\7"), 60)


@pytest.mark.parametrize("how", ["refused as 3.1.1 does", "refused", "closed", "silent"])
def test_3_1_1_is_spoken_where_5_is_not(how: str) -> None:
    it = Fixture(replace(SETTINGS, version="auto"))
    it.client.start()
    it.turn()
    assert it.broker.packets()[0].body.startswith(b"\0\4MQTT\5")
    if how == "refused":
        it.broker.receive(connack(code=0x84))
    elif how == "silent":
        it.clock.pump([1.0] * 20)
    elif how != "closed":
        it.broker.refuse(1)
    if how != "silent":
        it.broker.close()
    it.turn()
    it.turn()
    assert it.broker.packets()[0].body.startswith(b"\0\4MQTT\4")
    it.broker.accept()
    assert it.client.online and not it.client.says_what_it_refuses
    # Known from now on.
    it.broker.drop()
    it.wait_for_attempt()
    it.turn()
    assert it.broker.packets()[0].body.startswith(b"\0\4MQTT\4")


def test_a_wrong_password_is_no_reason_for_another_version() -> None:
    it = Fixture(replace(SETTINGS, version="auto"))
    for _ in range(2):
        it.client.start()
        it.turn()
        assert it.broker.packets()[0].body.startswith(b"\0\4MQTT\5")
        it.broker.receive(connack(code=0x86))
        it.broker.close()
        assert it.client.trouble.endswith("refused the connection: Bad user name or password")
        it.wait_for_attempt()


def test_a_message_refused_with_qos_2_is_not_released() -> None:
    it = Five(qos=2)
    outcome = it.send(Publication("t", b"1"))
    it.broker.receive(packet(Kind.PUBREC, it.sent()[0][1].to_bytes(2, "big") + b"\x87\0"))
    it.turn()
    assert refused(outcome) == {0: PublishRefusal(0x87, "not authorized")}
    assert it.broker.packets() == []


SOME = b"\x02\0\0\0\x3c\x08\0\x04back\x09\0\x02\0\x07"
MANY = b"\x26\0\x01a\0\x01b" * 5000 + b"\x0b\x81\x01" * 100


def with_properties(packed: bytes) -> bytearray:
    return bytearray(b"\0\1t" + version5._length(len(packed)) + packed + b"do")


def test_properties_of_which_there_may_be_thousands_are_left_out() -> None:
    assert version5.lightened(with_properties(MANY + SOME + MANY), 3) == with_properties(SOME)
    assert version5.lightened(with_properties(SOME + MANY * 3), 3) == with_properties(b"")
    few = with_properties(SOME)
    assert version5.lightened(few, 3) is few


@pytest.mark.parametrize(
    "body",
    [
        with_properties(MANY + b"\x11" + MANY),
        with_properties(MANY + b"\x26\xff\xff"),
        with_properties(MANY + b"\x0b\x80\x80\x80\x80"),
        with_properties(MANY)[:-9],
        bytearray(b"\0\1t\xff\xff\xff\xff"),
        bytearray(b"\0\1t"),
    ],
)
def test_malformed_properties_are_not_read(body: bytearray) -> None:
    assert version5.lightened(body, 3) is None
