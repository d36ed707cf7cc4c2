"""The client against a broker in memory: connecting, losing, stopping, other settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from bssci.mqtt import client as client_module
from bssci.mqtt.client import ASK_AGAIN, Publication
from bssci.mqtt.publishing import WINDOW
from tests.mqtt.memory_broker import Kind, publish
from tests.mqtt.online_client import SETTINGS, Fixture, it, offline
from tests.support.log_lines import log_lines

__all__ = ["it", "log_lines"]


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
    assert it.client.history.reconnects == 0


def test_delays_double_up_to_half_a_minute():
    it = Fixture()
    it.broker.absent = True
    it.client.start()
    assert it.broker.attempts == 1
    delays = [it.wait_for_attempt() for _ in range(7)]
    for delay, least in zip(delays, [1, 2, 4, 8, 16, 30, 30], strict=True):
        assert least <= delay <= least * 1.25 + 0.25
    assert it.client.history.last_error.endswith("nobody there.")
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


def test_a_broker_that_starts_with_us_has_time():
    events = []
    globalLogPublisher.addObserver(events.append)
    it = Fixture(replace(SETTINGS, starts_with_us=True))
    it.broker.absent = True
    it.client.start()
    delays = [it.wait_for_attempt() for _ in range(5)]
    assert max(delays) <= 1.5
    assert it.client.trouble == ""
    while it.clock.seconds() < client_module.START_TIME:
        assert {event["log_level"].name for event in events} == {"debug"}
        it.wait_for_attempt()
    globalLogPublisher.removeObserver(events.append)
    assert "nobody there" in it.client.trouble
    it.broker.absent = False
    it.wait_for_attempt()
    it.come_back()
    it.broker.drop()
    assert it.client.trouble


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
    assert it.client.history.last_error == "the broker did not answer within 20 s"
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
    assert it.client.history.last_error == f"the broker refused the connection: {reason}"
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
    assert it.client.history.reconnects == 3


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
    assert "Pa55word" not in "".join(lines) + repr(it.client.history) + repr(SETTINGS)


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


def test_a_lost_connection_fails_what_it_did_not_acknowledge_and_sends_nothing_again(it):
    done, half, waiting = it.publish(b"0"), it.publish(b"1", b"2"), it.publish(*[b"3"] * WINDOW)
    sent = [one.publish[2] for one in it.broker.packets()]
    it.broker.acknowledge(*sent[:2])
    it.broker.drop()
    assert done == [None]
    assert offline(half) == offline(waiting) == "the connection was lost; sent last: t, 1 byte"
    assert not it.client.online
    assert it.events == ["online", "the connection was lost; sent last: t, 1 byte"]
    it.wait_for_attempt()
    it.come_back()
    it.clock.pump([1.0] * 5)
    assert it.published() == []
    assert it.publish(b"4") == []
    assert it.published() == [b"4"]


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
    assert bodies == [b"\0\x03a/+\x01\0\x01b\x01", b"\0\x01c\x01"]
    it.broker.drop()
    it.wait_for_attempt()
    it.turn()
    it.broker.packets()
    it.broker.accept()
    it.turn()
    assert [one.body[2:] for one in it.broker.packets()] == bodies


def subscribed(it: Fixture) -> list[int]:
    """Filters in each SUBSCRIBE that was sent."""
    return [one.body.count(b"\0\x03f/") for one in it.broker.packets() if one.kind is Kind.SUBSCRIBE]


def test_a_filter_at_which_the_broker_closes_the_connection_is_found_and_given_up():
    it = Fixture()
    it.client.subscribe([f"f/{number}" for number in range(9)])
    it.client.subscribe(["alone"], alone=True)
    it.client.start()
    sizes = []
    for _ in range(12):
        it.turn()
        it.broker.packets()
        it.broker.accept()
        it.turn()
        sizes.append([])
        while asked := [one for one in it.broker.packets() if one.kind is Kind.SUBSCRIBE]:
            sizes[-1] += [one.body.count(b"\0\x03f/") for one in asked]
            if any(b"f/2" in one.body for one in asked):
                it.broker.drop(unanswered=True)  # and with it the answers to what stood before
                break
            it.broker.grant()
            it.turn()
        else:
            break
        assert "asked for: f/" in it.client.trouble
        assert it.wait_for_attempt() < 4
    assert sizes[:3] == [[8, 1, 0], [8], [4]]
    assert sizes[-1] == [2, 1, 4, 1, 0]
    assert it.client.is_refused("f/2") and not it.client.is_refused("f/3")
    assert it.client.online


@pytest.fixture
def suspecting():
    """A client that is back after a connection that ended before its two filters were answered."""
    it = Fixture()
    for name in ("a", "b"):
        it.client.subscribe([name], alone=True)
    it.go_online()
    it.broker.drop(unanswered=True)
    it.wait_for_attempt()
    it.come_back()
    return it


def test_suspected_filters_are_asked_for_in_turn_before_anything_is_published(suspecting):
    outcome = suspecting.publish(b"1")
    suspecting.broker.send(Kind.SUBACK, b"\0\1\1")
    suspecting.turn()
    assert [one.body[2:] for one in suspecting.broker.packets()] == [b"\0\x01b\x01"]
    suspecting.broker.grant()
    suspecting.turn()
    assert suspecting.published() == [b"1"] and outcome == []


def test_a_broker_that_does_not_answer_filters_gets_messages_all_the_same(suspecting):
    suspecting.publish(b"1")
    suspecting.clock.pump([1.0] * 11)
    kinds = [one.kind for one in suspecting.broker.packets()]
    assert kinds[:2] == [Kind.SUBSCRIBE, Kind.PUBLISH]


def test_somebody_with_the_same_client_identifier_is_suspected():
    it = Fixture()
    it.client.start()
    for _ in range(3):
        assert "another client" not in it.client.trouble
        it.come_back()
        it.broker.close()
        troubled = it.client.trouble
        it.wait_for_attempt()
    assert "3 times within 1 min: another client may use the client identifier 'center'" in troubled


@pytest.mark.parametrize("is_found_after_the_loss", [False, True])
def test_the_delays_start_over_once_the_cause_of_losses_was_found(is_found_after_the_loss):
    it = Fixture()
    it.client.start()
    for _ in range(4):
        it.come_back()
        it.broker.close()
        it.wait_for_attempt()
    it.come_back()
    if is_found_after_the_loss:
        it.broker.close()
        it.client.retry_soon()
    else:
        it.client.retry_soon()
        it.broker.close()
    attempts = it.broker.attempts
    it.clock.advance(client_module.FIRST_DELAY * (1 + client_module.JITTER))
    assert it.broker.attempts == attempts + 1


def test_the_suspicion_stays_a_warning_while_the_connection_works_in_between():
    it = Fixture()
    it.client.start()
    for _ in range(3):
        assert it.client.warning == ""
        it.come_back()
        it.broker.close()
        it.wait_for_attempt()
    it.come_back()
    assert (it.client.trouble, it.client.warning) == (
        "",
        "the broker ended the connection 3 times within 1 min: another client may use the client identifier"
        " 'center' and take the session over, give each its own",
    )
    it.clock.advance(client_module.TAKEOVER_WARNED)
    assert it.client.warning == ""


def test_it_is_suspected_also_when_both_come_back_later_and_later():
    it = Fixture()
    it.client.start()
    for _ in range(6):
        it.come_back()
        it.clock.advance(client_module.SETTLED_AFTER + 5)
        it.broker.close()
        troubled = it.client.trouble
        it.wait_for_attempt()
    assert "another client may use" in troubled


def test_a_network_that_fails_makes_nobody_suspicious():
    it = Fixture()
    it.client.start()
    for _ in range(4):
        it.come_back()
        it.broker.drop()
        assert "another client" not in it.client.trouble
        it.wait_for_attempt()


def test_subscriptions_come_before_what_on_online_publishes():
    it = Fixture()
    it.client._on_online = lambda: it.client.publish([Publication("birth", b"")])
    it.client.subscribe(["a"])
    it.client.start()
    it.turn()
    it.broker.packets()
    it.broker.accept()
    it.turn()
    assert [one.kind for one in it.broker.packets()] == [Kind.SUBSCRIBE, Kind.PUBLISH]


def test_nothing_is_sent_for_no_topics(it):  # noqa: F811
    it.client.subscribe([])
    it.client.unsubscribe([])
    it.turn()
    assert it.broker.packets() == []


def test_refused_and_impossible_subscriptions_are_logged(it, log_lines):  # noqa: F811
    it.client.subscribe(["yes", "no"])
    it.turn()
    it.broker.send(Kind.SUBACK, it.broker.packets()[0].body[:2] + b"\x01\x80")
    it.client.subscribe(["a#"])
    assert log_lines[0] == "MQTT subscription refused no: Unspecified error" and it.refused == ["no"]
    assert log_lines[1].startswith("MQTT subscription is invalid ('a#',)")
    assert it.client.online


def test_a_refused_subscription_is_tried_again_until_the_broker_accepts_it(it, log_lines):  # noqa: F811
    it.client.subscribe(["yes", "no"])
    it.turn()
    it.broker.send(Kind.SUBACK, it.broker.packets()[0].body[:2] + b"\x01\x80")
    for answer in (b"\x80", b"\x01"):
        it.clock.advance(ASK_AGAIN)
        (asked,) = [one for one in it.broker.packets() if one.kind is Kind.SUBSCRIBE]
        assert b"no" in asked.body and b"yes" not in asked.body
        assert it.client.is_refused("no")
        it.broker.send(Kind.SUBACK, asked.body[:2] + answer)
    assert not it.client.is_refused("no")
    assert it.refused == it.granted == ["no"], "each is told once"
    assert [line for line in log_lines if "subscription" in line] == [
        "MQTT subscription refused no: Unspecified error", "MQTT subscription accepted at last no",
    ]  # fmt: skip
    it.clock.advance(ASK_AGAIN)
    assert not [one for one in it.broker.packets() if one.kind is Kind.SUBSCRIBE]


def test_a_callback_that_raises_costs_nothing(it, expected_errors):
    seen = []

    def on_message(message):
        seen.append(message.payload)
        raise ZeroDivisionError

    it.client._on_message = on_message
    it.broker.receive(publish("a", b"1") + publish("a", b"2"))
    assert seen == [b"1", b"2"]
    assert it.client.online
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError] * 2
    expected_errors.clear()


# Stopping


def stop(it: Fixture, **arguments) -> list[object]:
    outcome: list[object] = []
    it.client.stop(**arguments).addBoth(outcome.append)
    it.turn()
    return outcome


def test_stop_waits_for_acknowledgements_and_says_goodbye(it):
    published = it.publish(b"1")
    stopped = stop(it, last=Publication("status", b"offline", retain=True))
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
    stopped = stop(it, last=Publication("status", b"offline"))
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


@pytest.mark.parametrize("present", [False, True])
def test_it_says_whether_the_broker_has_kept_the_session(present: bool) -> None:
    it = Fixture()
    it.client.start()
    it.turn()
    it.broker.send(Kind.CONNACK, bytes([present, 0]))
    assert it.client.is_remembered is present
    it.broker.drop()
    assert not it.client.is_remembered
