"""The client against a broker in memory: connecting, publishing, losing, stopping."""

from __future__ import annotations

from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from bssci.sinks.mqtt import client as client_module
from bssci.sinks.mqtt.client import Message, MqttClient, MqttOffline, MqttSettings
from bssci.sinks.mqtt.connection import MAXIMUM_PACKET, SILENCE, SLICE, WINDOW
from tests.support.mqtt_broker import FakeBroker, Kind, packet, publish

SETTINGS = MqttSettings(host="broker.example", client_id="center", username="user", password="Pa55word")


class Fixture:
    """A client, its clock, its broker, and what it called back."""

    def __init__(self, settings: MqttSettings = SETTINGS) -> None:
        self.clock = Clock()
        self.broker = FakeBroker()
        self.events: list[object] = []
        self.skipped: list[object] = []
        self.client = MqttClient(
            self.clock,
            settings,
            on_online=lambda: self.events.append("online"),
            on_offline=self.events.append,
            on_message=lambda *message: self.events.append(message),
            on_skipped=lambda *message: self.skipped.append(message),
            connect=self.broker.connect,
        )

    def turn(self) -> None:
        self.clock.advance(0)

    def go_online(self) -> None:
        self.client.start()
        self.come_back()

    def come_back(self) -> None:
        """The broker accepts the connection that is there; what was said until then is forgotten."""
        self.turn()
        self.broker.accept()
        self.turn()
        self.broker.packets()

    def wait_for_attempt(self) -> float:
        """Time until the next attempt, s."""
        attempts, waited = self.broker.attempts, 0.0
        while self.broker.attempts == attempts:
            self.clock.advance(0.25)
            waited += 0.25
            assert waited < 60
        return waited

    def publish(self, *payloads: bytes) -> list[object]:
        """What became of it: empty, [None] or [failure]."""
        outcome: list[object] = []
        self.client.publish([Message("t", payload) for payload in payloads]).addBoth(outcome.append)
        self.turn()
        return outcome

    def published(self) -> list[bytes]:
        return [one.publish[1] for one in self.broker.packets() if one.kind is Kind.PUBLISH]


@pytest.fixture
def it() -> Fixture:
    fixture = Fixture()
    fixture.go_online()
    return fixture


def offline(outcome: list[object]) -> str:
    """The text of the MqttOffline that ``outcome`` must consist of."""
    (failure,) = outcome
    assert failure.check(MqttOffline)
    return failure.getErrorMessage()


# Connecting


def test_online_only_when_the_broker_accepts():
    it = Fixture()
    it.client.start()
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.CONNECT]
    assert not it.client.online
    it.broker.accept()
    assert it.client.online
    assert it.events == ["online"]
    assert it.client.statistics.reconnects == 0


def test_delays_double_up_to_half_a_minute():
    it = Fixture()
    it.broker.absent = True
    it.client.start()
    assert it.broker.attempts == 1
    delays = [it.wait_for_attempt() for _ in range(7)]
    for delay, least in zip(delays, [1, 2, 4, 8, 16, 30, 30], strict=True):
        assert least <= delay <= least * 1.25 + 0.25
    assert it.client.statistics.last_error.endswith("nobody there.")
    assert it.events == []


def test_its_trouble_is_that_it_is_not_connected_until_it_is():
    it = Fixture()
    it.broker.absent = True
    assert it.client.trouble == ""
    it.client.start()
    missing = it.client.trouble
    assert missing.startswith("not connected to broker.example:1883: ") and missing.endswith("nobody there")
    it.broker.absent = False
    it.wait_for_attempt()
    assert it.client.trouble == missing
    it.turn()
    it.broker.refuse(4)
    it.broker.close()
    assert it.client.trouble.endswith("the broker refused the connection: Bad user name or password")
    it.wait_for_attempt()
    it.come_back()
    assert it.client.trouble == ""
    it.broker.drop()
    assert it.client.trouble.startswith("not connected to broker.example:1883: ")
    it.client.stop()
    assert it.client.trouble == ""


def test_other_settings_begin_without_trouble():
    it = Fixture()
    it.broker.absent = True
    it.client.start()
    it.broker.absent = False
    it.client.reconfigure(replace(SETTINGS, host="other.example"))
    it.turn()
    assert (it.broker.attempts, it.client.trouble) == (2, "")
    it.broker.close()
    assert it.client.trouble.startswith("not connected to other.example:1883: ")


@pytest.mark.parametrize("silent", [True, False])
def test_an_attempt_does_not_last_for_ever(silent):
    it = Fixture()
    it.broker.silent = silent
    it.client.start()
    it.clock.pump([1] * 20)
    assert it.client.statistics.last_error == "the broker did not answer within 20 s"
    assert silent or it.broker.wire.closed
    it.wait_for_attempt()
    assert it.broker.attempts == 2


@pytest.mark.parametrize(
    ("code", "reason"), [(4, "Bad user name or password"), (5, "Not authorized"), (3, "Server unavailable")]
)
def test_a_refusal_is_named_and_tried_again(code, reason):
    it = Fixture()
    it.client.start()
    it.turn()
    it.broker.refuse(code)
    it.broker.close()
    assert it.client.statistics.last_error == f"the broker refused the connection: {reason}"
    assert it.events == []
    it.wait_for_attempt()
    assert it.broker.attempts == 2


def test_the_delay_starts_over_only_after_a_settled_connection(it):
    delays = []
    for _ in range(3):
        it.broker.drop()
        delays.append(it.wait_for_attempt())
        it.come_back()
    for delay, least in zip(delays, [1, 2, 4], strict=True):
        assert least <= delay <= least * 1.25 + 0.25
    it.clock.advance(client_module.SETTLED_AFTER)
    it.broker.drop()
    assert it.wait_for_attempt() < 2
    assert it.client.statistics.reconnects == 3


def test_no_secret_is_told(it):
    lines = []
    observer = lambda event: lines.append(formatEvent(event) + repr(event))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        it.broker.drop()
        it.wait_for_attempt()
        it.turn()
        it.broker.refuse(4)
        it.broker.close()
    finally:
        globalLogPublisher.removeObserver(observer)
    assert "refused" in "".join(lines)
    assert "Pa55word" not in "".join(lines) + repr(it.client.statistics) + repr(SETTINGS)


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


def test_a_failing_keepalive_costs_the_connection_only(it, monkeypatch, expected_errors):
    connection = it.client._connection
    monkeypatch.setattr(connection._engine, "loop_misc", lambda: 1 / 0)
    it.clock.advance(1.0)
    assert it.events == ["online", "internal error"]
    assert expected_errors.pop().check(ZeroDivisionError)
    it.wait_for_attempt()
    it.come_back()
    assert it.client.online


# Publishing


def test_publishing_offline_fails_at_once():
    it = Fixture()
    assert offline(it.publish(b"1")) == "not connected to the broker"
    it.broker.absent = True
    it.client.start()
    assert "nobody there" in offline(it.publish(b"1"))
    it.broker.absent = False
    it.wait_for_attempt()
    it.come_back()
    assert it.published() == []


def test_a_batch_is_done_with_its_last_acknowledgement(it):
    outcome = it.publish(b"1", b"2", b"3")
    sent = [one.publish for one in it.broker.packets()]
    assert [payload for _, payload, _ in sent] == [b"1", b"2", b"3"]
    first, second, third = [number for _, _, number in sent]
    it.broker.acknowledge(first, third)
    assert outcome == []
    it.broker.acknowledge(second, second, 999)
    assert outcome == [None]
    assert (it.client.statistics.published, it.client.statistics.acknowledged) == (3, 3)


def test_one_write_a_turn(it):
    it.broker.wire.writes.clear()
    it.client.publish([Message("a", b"1"), Message("b", b"2")])
    it.client.publish([Message("c", b"3", retain=True)])
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


def test_a_lost_connection_fails_what_it_did_not_acknowledge_and_sends_nothing_again(it):
    done, half, waiting = it.publish(b"0"), it.publish(b"1", b"2"), it.publish(*[b"3"] * WINDOW)
    sent = [one.publish[2] for one in it.broker.packets()]
    it.broker.acknowledge(*sent[:2])
    it.broker.drop()
    assert done == [None]
    assert offline(half) == offline(waiting) == "the connection was lost"
    assert not it.client.online
    assert it.events == ["online", "the connection was lost"]
    it.wait_for_attempt()
    it.come_back()
    it.clock.pump([1.0] * 5)
    assert it.published() == []
    assert it.publish(b"4") == []
    assert it.published() == [b"4"]


def test_a_broker_that_acknowledges_nothing_is_left(it):
    outcome = it.publish(b"1")
    for _ in range(int(SILENCE) + 1):
        it.clock.advance(1.0)
        if not it.broker.wire.closed:
            it.broker.publish("still", b"there")
    assert offline(outcome) == "the broker acknowledged nothing for 45 s"


def test_an_impossible_topic_fails_its_own_batch_only(it):
    outcome, other = [], []
    it.client.publish([Message("good", b"1"), Message("a/+", b"2")]).addBoth(outcome.append)
    it.client.publish([Message("good", b"3")]).addBoth(other.append)
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
    it.client.publish([Message("t", b"%d" % number) for number in range(WINDOW + 1)]).addBoth(outcome.append)
    it.broker.wire.writes.clear()
    it.turn()
    assert outcome == [None]
    assert [data.count(b"\0\x01t") for data in it.broker.wire.writes] == [WINDOW, 1]
    assert it.client.statistics.acknowledged == WINDOW + 1
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


# Subscribing


def test_subscriptions_return_with_the_connection():
    it = Fixture()
    it.client.subscribe(["a/+", "b"])
    it.client.start()
    it.turn()
    it.broker.packets()
    it.broker.accept()
    it.turn()
    it.client.subscribe(["c", "b"])
    it.turn()
    bodies = [one.body[2:] for one in it.broker.packets()]
    assert bodies == [b"\0\x03a/+\x01\0\x01b\x01", b"\0\x01c\x01\0\x01b\x01"]
    it.broker.drop()
    it.wait_for_attempt()
    it.turn()
    it.broker.packets()
    it.broker.accept()
    it.turn()
    assert [one.body[2:] for one in it.broker.packets()] == [b"\0\x03a/+\x01\0\x01b\x01\0\x01c\x01"]


def test_subscriptions_come_before_what_on_online_publishes():
    it = Fixture()
    it.client._on_online = lambda: it.client.publish([Message("birth", b"")])
    it.client.subscribe(["a"])
    it.client.start()
    it.turn()
    it.broker.packets()
    it.broker.accept()
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.SUBSCRIBE, Kind.PUBLISH]


def test_refused_and_impossible_subscriptions_are_logged(it):
    lines = []
    observer = lambda event: lines.append(formatEvent(event))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        it.client.subscribe(["yes", "no"])
        it.turn()
        it.broker.send(Kind.SUBACK, it.broker.packets()[0].body[:2] + b"\x01\x80")
        it.client.subscribe(["a#"])
    finally:
        globalLogPublisher.removeObserver(observer)
    assert lines[0] == "MQTT subscription refused no: Unspecified error"
    assert lines[1].startswith("MQTT subscription is invalid ['a#']")
    assert it.client.online


def test_messages_arrive(it):
    it.broker.publish("a/b", b"\x00\xff", retained=True)
    it.broker.publish("a/b", b"")
    assert it.events[1:] == [("a/b", b"\x00\xff", True), ("a/b", b"", False)]


def test_a_callback_that_raises_costs_nothing(it, expected_errors):
    seen = []

    def on_message(topic, payload, retained):
        seen.append(payload)
        raise ZeroDivisionError

    it.client._on_message = on_message
    it.broker.receive(publish("a", b"1") + publish("a", b"2"))
    assert seen == [b"1", b"2"]
    assert it.client.online
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError] * 2
    expected_errors.clear()


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
    assert it.client.statistics.oversize == 1
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


def test_nonsense_closes_the_connection(it):
    it.broker.receive(b"\xf0\0")
    assert it.broker.wire.disconnecting
    it.broker.close()
    assert it.events[1].startswith("the broker does not speak MQTT")


# Stopping


def stop(it: Fixture, **arguments) -> list[object]:
    outcome: list[object] = []
    it.client.stop(**arguments).addBoth(outcome.append)
    it.turn()
    return outcome


def test_stop_waits_for_acknowledgements_and_says_goodbye(it):
    published = it.publish(b"1")
    stopped = stop(it, last=Message("status", b"offline", retain=True))
    sent = it.broker.packets()
    assert [one.publish[:2] for one in sent] == [("t", b"1"), ("status", b"offline")]
    assert not it.client.online
    assert offline(it.publish(b"2"))
    for one in sent:
        assert stopped == []
        it.broker.acknowledge(one.publish[2])
        it.turn()
    assert published == [None]
    assert [one.kind for one in it.broker.packets()] == [Kind.DISCONNECT]
    assert it.broker.wire.disconnecting
    assert stopped == []
    it.broker.close()
    assert stopped == [None]
    assert it.events == ["online", "stopped"]
    assert it.clock.getDelayedCalls() == []


def test_stop_cuts_the_connection_at_its_deadline_so_that_the_will_is_published(it):
    published = it.publish(b"1")
    stopped = stop(it, deadline=3.0)
    it.clock.advance(2.9)
    assert stopped == []
    it.clock.advance(0.2)
    assert stopped == [None]
    assert offline(published) == "closed before everything was acknowledged"
    assert Kind.DISCONNECT not in [one.kind for one in it.broker.packets()]
    assert it.clock.getDelayedCalls() == []


def test_stop_while_waiting_or_connecting_ends_at_once():
    for state in ("absent", "silent", ""):
        it = Fixture()
        if state:
            setattr(it.broker, state, True)
        it.client.start()
        assert stop(it) == [None]
        assert it.clock.getDelayedCalls() == []
        it.clock.advance(100)
        assert (it.broker.attempts, it.events) == (1, [])


def test_stop_twice_waits_for_the_same_end(it):
    it.publish(b"1")
    first, second = stop(it), stop(it)
    it.clock.advance(10)
    assert first == second == [None]


def test_a_connection_lost_while_stopping_ends_it(it):
    it.publish(b"1").clear()
    stopped = stop(it, last=Message("status", b"offline"))
    it.broker.drop()
    assert stopped == [None]
    it.clock.advance(100)
    assert it.broker.attempts == 1


def test_it_starts_again(it):
    stopped = stop(it)
    it.broker.close()
    assert stopped == [None]
    it.go_online()
    assert it.events == ["online", "stopped", "online"]


# Reconfiguring


def test_new_settings_take_a_new_connection(it):
    it.client.subscribe(["a"])
    it.turn()
    it.broker.packets()
    done = []
    it.client.reconfigure(replace(SETTINGS, client_id="other")).addBoth(done.append)
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.DISCONNECT]
    it.broker.close()
    assert done == [None]
    it.turn()
    (connect,) = it.broker.packets()
    assert b"other" in connect.body
    it.broker.accept()
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.SUBSCRIBE]
    assert it.client.online


def test_the_same_settings_change_nothing(it):
    done = []
    it.client.reconfigure(replace(SETTINGS)).addBoth(done.append)
    assert done == [None]
    assert it.client.online


def test_new_settings_for_a_stopped_client_do_not_start_it():
    it = Fixture()
    it.client.reconfigure(replace(SETTINGS, port=1884))
    it.turn()
    assert it.broker.attempts == 0


def test_stop_wins_over_reconfigure(it):
    it.publish(b"1")
    it.client.reconfigure(replace(SETTINGS, port=1884))
    stopped = stop(it)
    it.clock.advance(10)
    assert stopped == [None]
    assert it.broker.attempts == 1
