"""One uplink of each connection is waited for."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from bssci.mqtt.values import About, MqttOffline, Publication
from bssci.sinks.mqtt.canary import CANARY_TIME, PROOF_TIME, Canary, NotSentBack

UPLINK = Publication("mioty/ep/70B3D56770110001/ul", b"1", False, About("uplink", "id"))
SECOND = Publication("mioty/ep/70B3D56770110002/ul", b"3", False, About("uplink", "id"))
OTHER = Publication("mioty/ep/70B3D56770110001/status", b"2", False, About("sensor-status"))


class Fixture:
    def __init__(self) -> None:
        self.clock = Clock()
        self.calls: list[str] = []
        self.canary = Canary(
            self.clock,
            lambda topic: self.calls.append(f"+{topic}"),
            lambda topic: self.calls.append(f"-{topic}"),
        )

    def wait(self) -> list[Any]:
        outcome: list[Any] = []
        self.canary.wait().addBoth(outcome.append)
        return outcome


def test_the_first_uplink_is_subscribed_to_until_it_comes_back() -> None:
    it = Fixture()
    assert not it.canary.choose([OTHER])
    assert it.canary.choose([OTHER, UPLINK])
    assert it.calls == [f"+{UPLINK.topic}"] and it.canary.is_for_us(UPLINK.topic)
    outcome = it.wait()
    it.canary.heard(b"another one")
    assert outcome == []
    it.canary.heard(b"1")
    assert outcome == [None]
    assert it.calls == [f"+{UPLINK.topic}", f"-{UPLINK.topic}"]
    assert not it.canary.choose([UPLINK])
    assert it.clock.getDelayedCalls() == []
    it.canary.connected()
    assert it.canary.choose([UPLINK])


def test_another_one_on_its_topic_must_come_back_later() -> None:
    """The access rules may be changed during a connection, and in MQTT 3.1.1 the broker does not say so."""
    it = Fixture()
    it.canary.choose([UPLINK])
    it.canary.heard(b"1")
    it.clock.advance(PROOF_TIME - 1)
    assert not it.canary.choose([SECOND, UPLINK])
    it.clock.advance(1)
    assert not it.canary.choose([SECOND]), "this one may be forbidden, and always have been"
    newer = UPLINK._replace(payload=b"2")
    assert it.canary.choose([SECOND, newer])
    outcome = it.wait()
    it.clock.advance(CANARY_TIME)
    assert outcome[0].check(NotSentBack) and it.canary.trouble
    assert it.canary.choose([SECOND, newer]), "now any will do"
    it.canary.heard(b"3")
    it.clock.advance(PROOF_TIME)
    assert not it.canary.choose([newer]) and it.canary.choose([SECOND])


def test_it_may_come_back_before_it_is_acknowledged() -> None:
    it = Fixture()
    it.canary.choose([UPLINK])
    it.canary.heard(b"1")
    assert it.wait() == [None]


def test_one_that_does_not_come_back_is_trouble_until_one_does() -> None:
    it = Fixture()
    it.canary.choose([UPLINK])
    outcome = it.wait()
    it.clock.advance(CANARY_TIME)
    assert outcome[0].check(NotSentBack)
    assert "mioty/ep/+/ul" in it.canary.trouble
    it.canary.choose([UPLINK])
    outcome = it.wait()
    it.canary.heard(b"1")
    assert outcome == [None] and it.canary.trouble == ""


def test_the_end_of_the_connection_ends_the_waiting() -> None:
    it = Fixture()
    it.canary.choose([UPLINK])
    outcome = it.wait()
    it.canary.lost("gone")
    assert outcome[0].check(MqttOffline) and not outcome[0].check(NotSentBack)
    it.canary.choose([UPLINK])
    it.canary.lost("gone")
    assert it.wait()[0].check(MqttOffline)
    assert it.clock.getDelayedCalls() == []


def test_where_nothing_can_come_back_nobody_waits() -> None:
    it = Fixture()
    it.canary.choose([UPLINK])
    outcome = it.wait()
    it.canary.not_to_be_had()
    assert outcome == [None] and not it.canary.choose([UPLINK])
    it.clock.advance(PROOF_TIME)
    assert not it.canary.choose([UPLINK])
