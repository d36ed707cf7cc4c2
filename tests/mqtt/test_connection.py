"""One connection against a broker in memory: what is in flight, what comes in, who has fallen silent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from OpenSSL import SSL
from twisted.internet.defer import fail

from bssci.mqtt.client import LONG_UNACKNOWLEDGED, Publication
from bssci.mqtt.connection import MAXIMUM_PACKET, SILENCE, SLICE
from bssci.mqtt.publishing import WINDOW
from bssci.mqtt.values import MessageNotTaken
from bssci.system.line_limit import LINES
from tests.mqtt.memory_broker import Kind, packet, publish
from tests.mqtt.online_client import SETTINGS, Fixture, it, offline
from tests.support.log_lines import log_lines

__all__ = ["it", "log_lines"]


def test_a_silent_broker_is_noticed(it):
    it.clock.pump([1.0] * int(SILENCE - 1))
    assert it.client.online
    it.clock.pump([1.0] * 2)
    assert it.events == ["online", "nothing heard from the broker for 45 s"]


def test_a_ping_keeps_the_connection(it, monkeypatch):
    monkeypatch.setattr("paho.mqtt.client.time_func", it.clock.seconds)
    it.broker.drop()
    it.wait_for_attempt()
    it.come_back()
    for _ in range(200):
        it.clock.advance(1.0)
        it.turn()
        for one in it.broker.packets():
            assert one.kind is Kind.PINGREQ
            it.broker.send(Kind.PINGRESP, b"")
    assert it.client.online


def test_a_batch_is_done_with_its_last_acknowledgement(it):
    outcome = it.publish(b"1", b"2", b"3")
    sent = [one.publish for one in it.broker.packets()]
    assert [payload for _, payload, _ in sent] == [b"1", b"2", b"3"]
    first, second, third = [number for _, _, number in sent]
    it.broker.acknowledge(first, third)
    assert outcome == []
    it.broker.acknowledge(second, second, 999)
    assert outcome == [None]


def test_one_write_a_turn(it):
    it.broker.wire.writes.clear()
    it.client.publish([Publication("a", b"1"), Publication("b", b"2")])
    it.client.publish([Publication("c", b"3", retain=True)])
    it.client.subscribe(["d"])
    assert it.broker.wire.writes == []
    it.turn()
    assert len(it.broker.wire.writes) == 1
    kinds = [(one.kind, one.flags) for one in it.broker.packets()]
    assert kinds == [(Kind.SUBSCRIBE, 2), (Kind.PUBLISH, 2), (Kind.PUBLISH, 2), (Kind.PUBLISH, 3)]


def test_the_window_bounds_what_is_in_flight_and_keeps_the_order(it):
    payloads = [b"%d" % number for number in range(2 * WINDOW + 10)]
    outcome = it.publish(*payloads)
    after = it.publish(b"after")
    received = []
    while not after:
        sent = [one.publish for one in it.broker.packets()]
        assert 0 < len(sent) <= WINDOW
        received += [payload for _, payload, _ in sent]
        it.broker.acknowledge(*[number for _, _, number in sent])
        it.turn()
    assert received == [*payloads, b"after"]
    assert outcome == after == [None]


def test_nothing_is_sent_while_the_broker_does_not_read(it):
    it.broker.wire.producer.pauseProducing()
    outcome = it.publish(b"1", b"2")
    assert it.published() == []
    it.broker.wire.producer.resumeProducing()
    it.turn()
    assert it.published() == [b"1", b"2"]
    assert outcome == []


def test_a_broker_that_acknowledges_nothing_is_left(it):
    outcome = it.publish(b"1")
    for _ in range(int(SILENCE) + 1):
        it.clock.advance(1.0)
        if not it.broker.wire.closed:
            it.broker.publish("still", b"there")
    assert offline(outcome) == "the broker did not acknowledge t for 45 s; sent last: t, 1 byte"


def test_a_broker_that_never_acknowledges_one_message_is_left_however_many_others_it_does(it):
    outcome = it.publish(b"1")
    it.broker.packets()
    for _ in range(int(SILENCE) + 1):
        it.clock.advance(1.0)
        if not it.broker.wire.closed:
            it.publish(b"other")
            it.broker.acknowledge(*[one.publish[2] for one in it.broker.packets()])
    assert offline(outcome).startswith("the broker did not acknowledge t for 45 s")


def test_a_broker_that_does_not_acknowledge_is_named_before_that(it):
    it.publish(b"1")
    it.clock.pump([1.0] * int(LONG_UNACKNOWLEDGED - 1))
    assert it.client.trouble == ""
    it.clock.pump([1.0] * 2)
    assert it.client.trouble == "broker.example:1883 has not acknowledged a message for 11 s"
    it.broker.acknowledge(*[one.publish[2] for one in it.broker.packets() if one.kind is Kind.PUBLISH])
    assert it.client.trouble == ""


def test_a_broker_that_acknowledges_slowly_is_not_left(it):
    outcome = it.publish(*[b"%d" % number for number in range(10)])
    sent = [one.publish[2] for one in it.broker.packets()]
    for packet_id in sent:
        it.clock.pump([1.0] * int(SILENCE - 5))
        it.broker.acknowledge(packet_id)
    assert outcome == [None] and it.client.online


def test_an_impossible_topic_fails_its_own_batch_only(it):
    outcome, other = [], []
    it.client.publish([Publication("good", b"1"), Publication("a/+", b"2")]).addBoth(outcome.append)
    it.client.publish([Publication("good", b"3")]).addBoth(other.append)
    it.turn()
    assert outcome[0].check(ValueError)
    sent = [one.publish for one in it.broker.packets()]
    assert [payload for _, payload, _ in sent] == [b"1", b"3"]
    it.broker.acknowledge(*[number for _, _, number in sent])
    assert other == [None]


def test_an_empty_batch_is_done(it):
    assert it.publish() == [None]


def test_qos_0_is_done_when_written():
    it = Fixture(replace(SETTINGS, qos=0))
    it.go_online()
    outcome = []
    it.client.publish([Publication("t", b"%d" % number) for number in range(WINDOW + 1)]).addBoth(
        outcome.append
    )
    it.broker.wire.writes.clear()
    it.turn()
    assert outcome == [None]
    assert [data.count(b"\0\x01t") for data in it.broker.wire.writes] == [WINDOW, 1]
    it.broker.wire.producer.pauseProducing()
    it.publish(b"1")
    assert it.clock.getDelayedCalls()[0].getTime() > it.clock.seconds()


def test_qos_2_is_done_with_pubcomp():
    it = Fixture(replace(SETTINGS, qos=2))
    it.go_online()
    outcome = it.publish(b"1")
    number = it.broker.packets()[0].publish[2].to_bytes(2, "big")
    it.broker.send(Kind.PUBREC, number)
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.PUBREL]
    assert outcome == []
    it.broker.send(Kind.PUBCOMP, number)
    assert outcome == [None]


def test_a_message_of_qos_2_is_not_kept_until_the_broker_releases_it(it):
    for number in range(1, 4):
        it.broker.receive(packet(Kind.PUBLISH, b"\0\1a\0%cx" % number, flags=4))
    assert it.events[1:] == [("a", b"x", False)] * 3
    it.turn()
    assert [(one.kind, one.packet_id) for one in it.broker.packets()] == [
        (Kind.PUBREC, number) for number in range(1, 4)
    ]
    it.broker.send(Kind.PUBREL, b"\0\2", flags=2)
    it.turn()
    assert [(one.kind, one.packet_id) for one in it.broker.packets()] == [(Kind.PUBCOMP, 2)]
    assert len(it.events) == 4 and it.client.online


def test_messages_arrive_with_topic_bytes_and_retained(it):
    it.broker.publish("a/b", b"\x00\xff", retained=True)
    it.broker.publish("a/b", b"")
    assert it.events[1:] == [("a/b", b"\x00\xff", True), ("a/b", b"", False)]


def test_an_undecodable_topic_is_dropped(it):
    it.broker.receive(packet(Kind.PUBLISH, b"\0\x02\xff\xfex") + publish("a", b"1"))
    assert it.events[1:] == [("a", b"1", False)]


def test_a_flood_is_taken_in_slices(it):
    one = publish("flood", b"x" * 100)
    count = 3 * SLICE // len(one)
    it.broker.receive(one * count)
    assert len(it.events) - 1 <= SLICE // len(one)
    assert it.broker.wire.producerState == "paused"
    for _ in range(3):
        it.turn()
    assert len(it.events) - 1 == count
    assert it.broker.wire.producerState == "producing"


def test_an_oversize_message_is_skipped(it):
    it.broker.receive(publish("large", bytes(MAXIMUM_PACKET)) + publish("small", b"1"))
    for _ in range(MAXIMUM_PACKET // SLICE + 2):
        it.turn()
    assert it.events[1:] == [("small", b"1", False)]
    assert it.skipped == [("large", MAXIMUM_PACKET, False)]
    assert [sent for sent in it.broker.packets() if sent.kind is Kind.PUBACK] == []


def test_an_oversize_message_is_acknowledged_so_that_it_does_not_come_again(it):
    large = packet(Kind.PUBLISH, b"\0\1a\x12\x34" + bytes(MAXIMUM_PACKET), flags=3)
    it.broker.receive(large[:-1])
    it.turn()
    assert it.broker.packets() == [] and it.skipped == []
    it.broker.receive(large[-1:])
    it.turn()
    [sent] = it.broker.packets()
    assert (sent.kind, sent.packet_id) == (Kind.PUBACK, 0x1234)
    assert it.skipped == [("a", MAXIMUM_PACKET, True)]
    assert it.client.online


def _two_of_qos_1() -> bytes:
    return b"".join(packet(Kind.PUBLISH, b"\0\1a\0" + bytes([number]), flags=2) for number in (1, 2))


def _acknowledged(it):
    it.turn()
    return [sent.packet_id for sent in it.broker.packets() if sent.kind is Kind.PUBACK]


def test_a_message_that_meets_a_fault_is_acknowledged_as_are_those_behind_it(it, expected_errors):
    taking = [fail(ZeroDivisionError("a fault")), None]
    it.client._on_message = lambda message: taking.pop(0)
    it.broker.receive(_two_of_qos_1())
    assert _acknowledged(it) == [1, 2]
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()


def test_a_message_that_is_not_taken_is_not_acknowledged_nor_are_those_behind_it(it):
    taking = [fail(MessageNotTaken("the service stops")), None]
    it.client._on_message = lambda message: taking.pop(0)
    it.broker.receive(_two_of_qos_1())
    assert _acknowledged(it) == []
    assert it.client.online


def test_nonsense_closes_the_connection(it):
    it.broker.receive(b"\xf0\0")
    assert it.broker.wire.disconnecting
    it.broker.close()
    assert it.events[1] == "the broker sent what MQTT does not allow"


@pytest.mark.parametrize(
    ("will", "said"),
    [
        (None, "the broker closed the connection; sent last: CONNECT"),
        (("t", b"gone"), "the broker closed the connection; sent last: CONNECT, with a last will"),
    ],
)
def test_a_broker_that_closes_instead_of_a_greeting_may_not_like_the_will(will, said):
    it = Fixture(replace(SETTINGS, will=will))
    it.client.start()
    it.turn()
    it.broker.close()
    assert offline(it.publish(b"1")).endswith(said)


def test_after_a_handshake_that_failed_nothing_is_said_to_be_sent():
    it = Fixture(replace(SETTINGS, will=("t", b"gone")))
    it.client.start()
    it.turn()
    it.broker.wire.close(SSL.Error([("SSL routines", "", "tls alert handshake failure")]))
    assert it.client.trouble.endswith(": TLS: tls alert handshake failure")


def test_lines_about_messages_that_are_not_taken_are_limited(it, log_lines):
    for _ in range(3 * LINES):
        it.broker.receive(packet(Kind.PUBLISH, b"\0\x02\xff\xfex"))
    assert len([line for line in log_lines if "undecodable" in line]) == LINES


def test_a_message_that_the_broker_closes_at_is_said_to_be_retained(it):
    outcome = []
    it.client.publish([Publication("t", b"1", retain=True)]).addBoth(outcome.append)
    it.turn()
    it.broker.close()
    assert offline(outcome) == "the broker closed the connection; sent last: t, 1 byte, retained"
