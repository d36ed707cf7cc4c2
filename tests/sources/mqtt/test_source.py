"""The source mqtt: acknowledged is what is on disk; what is not taken is offered again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from bssci.model import Telegram
from bssci.mqtt.values import Received
from bssci.sources import ISource, TelegramsRefused
from bssci.sources.envelopes.values import Form, Incoming, Remark
from bssci.sources.mqtt import source as sources
from bssci.sources.mqtt.source import MqttSource
from bssci.system.clock import TURN
from tests.support.center import result_of
from tests.support.telegrams import AT, Ingest, advertisement, as_json, settings_of, telegram

TOPIC = "bt-mqtt/raw/roof"


class Client:
    """Stands for the MQTT client."""

    trouble = ""

    def __init__(self, reactor: Any, settings: Any, **callbacks: Any) -> None:
        self.settings = settings
        self.receive = callbacks["on_message"]
        self.skip = callbacks["on_skipped"]
        self.online = callbacks["on_online"]
        self.refuse = callbacks["on_refused"]
        self.grant = callbacks["on_granted"]
        self.topics: list[str] = []
        self.did: list[str] = []
        self.refused: set[str] = set()

    def subscribe(self, topics: Any) -> None:
        self.topics += topics

    def unsubscribe(self, topics: Any) -> None:
        self.topics = [each for each in self.topics if each not in topics]

    def start(self) -> None:
        self.did.append("start")

    def stop(self, deadline: float = 0) -> Deferred[None]:
        self.did.append("stop")
        return succeed(None)

    def reconfigure(self, settings: Any) -> Deferred[None]:
        self.settings = settings
        return succeed(None)

    def is_refused(self, topic: str) -> bool:
        return topic in self.refused


class Site:
    def __init__(self, **settings: str) -> None:
        self.clock = Clock()
        self.ingest = Ingest()
        self.unwatched = False
        configuration = SimpleNamespace(watch=self._watch)
        center = SimpleNamespace(eui="0A", now=lambda: AT, configuration=configuration)
        self.settings = settings_of(SOURCES="mqtt", **settings)
        values = {name: self.settings.value(name) for name in sources.NAMES}
        self.source = MqttSource(self.clock, values, center, self._make_client)
        self.source.start(self.ingest)

    def _make_client(self, *arguments: Any, **callbacks: Any) -> Client:
        self.client = Client(*arguments, **callbacks)
        return self.client

    def _watch(self, names: Any, watcher: Any) -> Any:
        self.reconfigure = watcher
        return lambda: setattr(self, "unwatched", True)

    def receive(self, body: Any = None, topic: str = TOPIC, **how: Any) -> Deferred[None] | None:
        payload = body if isinstance(body, bytes) else as_json(advertisement() if body is None else body)
        return self.client.receive(Received(topic, payload, **({"packet_id": 1} | how)))

    def turn(self) -> None:
        """Let what came be offered."""
        self.clock.advance(sources.COLLECT_TIME)


def test_it_keeps_the_interface() -> None:
    verifyObject(ISource, Site().source)


def test_it_subscribes_and_stays_connected_under_one_name() -> None:
    site = Site()
    assert site.client.topics == [
        "bt-mqtt/raw/#", "bt-mqtt/scanner/+/status", "cmnd/#", "stat/#", "tele/#",
    ]  # fmt: skip
    assert site.client.did == ["start"] and site.client.settings.client_id == "bssci-0A-source"


RULES = (
    '[{"topic": "tele/{device}/ENERGY", "values": {"e": "e"}}, {"topic": "x/{device}", "values": {"e": "e"}}]'
)


def test_a_topic_that_another_one_covers_is_not_subscribed_to() -> None:
    """Many brokers send a message once for each subscription that covers it."""
    site = Site(SOURCE_MQTT_RULES=RULES, SOURCE_MQTT_TOPICS="tele/#,tele/a/#,y")
    assert site.client.topics == ["tele/#", "y", "x/+"]
    # The broker still has what an earlier release subscribed to.
    site.client.topics.append("tele/+/ENERGY")
    site.client.online()
    assert site.client.topics == ["tele/#", "y", "x/+"]


def test_what_a_refused_topic_covers_is_subscribed_to() -> None:
    site = Site(SOURCE_MQTT_RULES=RULES, SOURCE_MQTT_TOPICS="tele/#")
    site.client.refused.add("tele/#")
    site.client.refuse("tele/#")
    assert site.client.topics == ["tele/#", "x/+", "tele/+/ENERGY"]
    site.client.topics.pop()
    site.client.online()
    assert site.client.topics[-1] == "tele/+/ENERGY"
    site.client.refused.clear()
    site.client.online()
    assert site.client.topics == ["tele/#", "x/+"]


def test_what_a_topic_covers_that_is_accepted_at_last_does_not_come_twice() -> None:
    site = Site(SOURCE_MQTT_RULES=RULES, SOURCE_MQTT_TOPICS="tele/#")
    site.client.refused.add("tele/#")
    site.client.refuse("tele/#")
    site.client.refused.clear()
    site.client.grant("tele/#")
    assert site.client.topics == ["tele/#", "x/+"]


def test_topics_that_are_no_longer_covered_are_subscribed_to() -> None:
    site = Site(SOURCE_MQTT_RULES=RULES, SOURCE_MQTT_TOPICS="tele/#")
    site.reconfigure(settings_of(SOURCES="mqtt", SOURCE_MQTT_RULES=RULES, SOURCE_MQTT_TOPICS="y"))
    assert sorted(site.client.topics) == ["tele/+/ENERGY", "x/+", "y"]


def test_equal_messages_of_qos_0_are_different_ones() -> None:
    """A switch that goes on, off and on within one offer is on."""
    site = Site(SOURCE_MQTT_RULES='[{"topic": "sw/{device}", "values": {"on": "on"}}]')
    for on in (1, 0, 1):
        site.receive({"on": on}, "sw/a", packet_id=0)
    site.turn()
    ids = [each.id for each in site.ingest.offered[0][0]]
    assert len(set(ids)) == 3
    site.ingest.refuse(TelegramsRefused("full"))
    site.clock.advance(sources.FIRST_DELAY)
    assert [each.id for each in site.ingest.take()] == ids, "offered again they are the same"


def test_a_message_is_acknowledged_when_it_is_on_disk() -> None:
    site = Site()
    first, second = site.receive(advertisement(1)), site.receive(advertisement(2))
    site.turn()
    assert len(site.ingest.offered) == 1
    assert not first.called and not second.called
    assert len(site.ingest.take()) == 2
    assert first.called and second.called


def test_few_messages_wait_a_moment_for_others_and_many_do_not() -> None:
    site = Site()
    site.receive(advertisement(0))
    site.clock.advance(0)
    site.ingest.take()
    for number in range(1, sources.COLLECTED):
        site.receive(advertisement(number))
    site.clock.advance(sources.COLLECT_TIME / 2)
    assert site.ingest.offered == []
    site.receive(advertisement(sources.COLLECTED))
    site.clock.advance(0)
    assert len(site.ingest.take()) == sources.COLLECTED


def test_what_comes_while_one_batch_is_written_goes_into_the_next() -> None:
    site = Site()
    site.receive(advertisement(1))
    site.turn()
    done = [site.receive(advertisement(number)) for number in range(2, 5)]
    site.turn()
    assert len(site.ingest.offered) == 1
    site.ingest.take()
    site.turn()
    assert len(site.ingest.take()) == 3 and all(each.called for each in done)


def test_what_is_not_taken_is_offered_again_in_its_order_and_not_acknowledged() -> None:
    site = Site()
    done = site.receive(advertisement(1))
    site.turn()
    site.ingest.refuse(TelegramsRefused("too much"))
    site.receive(advertisement(2))
    assert site.source.trouble == "too much" and not done.called
    site.clock.advance(0.9)
    assert not site.ingest.offered
    site.clock.advance(0.2)
    site.ingest.refuse(TelegramsRefused("too much"))
    site.clock.advance(1.9)
    assert not site.ingest.offered
    site.clock.advance(0.2)
    taken = site.ingest.take()
    assert [each.envelope for each in taken] == [advertisement(1), advertisement(2)]
    assert done.called and site.source.trouble == ""


def test_what_is_offered_again_is_read_once_and_by_new_settings_anew() -> None:
    site = Site()
    site.receive(b"{", TOPIC)
    site.receive(advertisement(1))
    site.turn()
    site.ingest.refuse(TelegramsRefused("too much"))
    site.clock.advance(1.1)
    site.ingest.refuse(TelegramsRefused("too much"))
    assert site.ingest.rejected == ["not JSON"]
    site.reconfigure(settings_of(SOURCES="mqtt", SOURCE_MQTT_TOPICS="y"))
    site.clock.advance(2.1)
    assert site.ingest.take() == []
    assert site.ingest.rejected[1:] == ["a topic that is no longer subscribed to"] * 2


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        (TOPIC, b"{", "not JSON"),
        ("bt-mqtt/raw/a/b", None, "a topic that no form"),
        ("weather/today", None, "a topic that is no longer subscribed to"),
    ],
)
def test_what_cannot_be_read_costs_itself(topic: str, body: Any, reason: str) -> None:
    site = Site()
    bad, good = site.receive(body, topic), site.receive(advertisement(2))
    site.turn()
    assert len(site.ingest.take()) == 1
    assert bad.called and good.called
    assert site.ingest.rejected[0].startswith(reason)


def test_a_fault_of_ours_costs_the_message(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[object]
) -> None:
    site = Site()
    broken = site.source._forms[0]._replace(read=lambda message, remark: 1 / 0)
    monkeypatch.setattr(site.source, "_forms", (broken,))
    done = site.receive()
    site.turn()
    site.ingest.take()
    assert done.called and site.ingest.rejected == ["an internal error"]
    for _ in range(10):
        site.receive()
    site.turn()
    assert len(site.ingest.rejected) == 11 and len(expected_errors) == 1
    expected_errors.clear()


def test_equal_messages_without_a_time_are_two_unless_the_broker_repeats_one() -> None:
    site = Site(SOURCE_MQTT_RULES='[{"topic": "weather/{device}", "values": "*"}]')
    assert "weather/+" in site.client.topics
    how = {"topic": "weather/north", "packet_id": 7}
    ids = []
    for repeated in (False, True, False):
        site.receive({"temp": 20}, **how, repeated=repeated)
        site.turn()
        ids += [each.id for each in site.ingest.take()]
    assert ids[0] == ids[1] != ids[2]


def test_a_retained_message_is_the_same_each_time_that_it_comes() -> None:
    site = Site(SOURCE_MQTT_RULES='[{"topic": "weather/{device}", "values": "*"}]')
    ids = []
    for packet_id in (7, 8):
        site.receive({"temp": 20}, topic="weather/north", packet_id=packet_id, retained=True)
        site.turn()
        ids += [each.id for each in site.ingest.take()]
    assert ids[0] == ids[1]


def test_a_scanners_report_tells_whether_it_is_live() -> None:
    site = Site()
    found = []
    for packet_id, retained in ((0, False), (7, True), (8, False)):
        topic = f"bt-mqtt/scanner/s{packet_id}/status"
        site.receive({"status": "online"}, topic=topic, packet_id=packet_id, retained=retained)
        site.turn()
        found += [each.envelope["retained"] for each in site.ingest.take()]
    assert found == [False, True, False]


def test_a_controller_is_heard() -> None:
    site = Site(SOURCE_MQTT_TIMEZONE="Europe/Berlin")
    body = {"timestamp": "2023-11-14 23:13:20.000000", "data": "01 03 02 00 C8 B9 D2"}
    site.receive(body, topic="tele/f2-0a1b2c3d4e5f/sensor-mode/J1/sensor-3")
    site.turn()
    [telegram] = site.ingest.take()
    assert (telegram.device, telegram.device_time) == ("f2:0a1b2c3d4e5f/J1/3", AT)


def test_what_has_no_room_is_left_at_the_broker_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "HELD", 2)
    site = Site()
    site.receive(advertisement(1))
    site.receive(advertisement(2))
    left = site.receive(advertisement(3))
    assert site.receive(advertisement(4), packet_id=0) is None
    assert len(site.ingest.rejected) == 1 and "QoS 0" in site.ingest.rejected[0]
    site.turn()
    site.ingest.take()
    assert not left.called and site.client.did == ["start", "stop", "start"]


def test_what_waits_is_bounded_in_bytes_and_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "HELD_BYTES", 4 * 400_000)
    site = Site()
    for _ in range(4):
        site.receive(bytes(400_000), packet_id=0)
    assert site.ingest.rejected == []
    left = site.receive(advertisement(1))
    assert site.receive(advertisement(2), packet_id=0) is None
    assert len(site.ingest.rejected) == 1 and "QoS 0" in site.ingest.rejected[0]
    for number in range(4):
        site.turn()
        assert len(site.ingest.rejected) == number + 2
        site.ingest.take()
    assert not left.called and site.client.did == ["start", "stop", "start"]
    assert site.receive(advertisement(1)) is not None


def test_others_get_their_turn_between_messages_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd values of one message cost tens of milliseconds, and anybody may publish many."""
    site = Site()
    did: list[str] = []

    def read(message: Incoming, remark: Remark) -> list[Telegram]:
        site.clock.rightNow += TURN
        site.clock.callLater(0, did.append, "other")
        if not did:
            site.receive(b"3")
        did.append("read")
        return [telegram(int(message.payload))]

    monkeypatch.setattr(site.source, "_forms", (Form("slow", lambda levels: True, read),))
    done = [site.receive(b"%d" % number) for number in range(3)]
    site.turn()
    assert did == ["read", "other", "read", "other", "read", "other"]
    assert [each.id for each in site.ingest.take()] == [f"telegram-{number}" for number in range(3)]
    assert all(each.called for each in done)
    site.turn()
    assert [each.id for each in site.ingest.take()] == ["telegram-3"]


def test_lists_and_objects_count_for_the_time_that_they_take() -> None:
    site = Site()
    nested = [[] for _ in range(2_000)]
    for number in range(6):
        site.receive(advertisement(number) | {"x": nested})
    site.turn()
    assert len(site.ingest.take()) == 1
    site.turn()
    assert len(site.ingest.take()) == 1


def test_a_batch_at_which_the_center_stumbles_is_offered_again() -> None:
    site = Site()
    done = site.receive(advertisement(1))

    class Stumbling(Ingest):
        def __call__(self, *given: Any) -> Any:
            raise RuntimeError("stumbled")

    site.source._ingest = Stumbling()
    site.turn()
    assert site.source.trouble == "stumbled"
    site.source._ingest = site.ingest
    site.clock.advance(sources.FIRST_DELAY)
    site.ingest.take()
    assert done.called


def test_a_message_too_large_for_the_client_is_counted() -> None:
    site = Site()
    site.client.skip(TOPIC, 5_000_000, False)
    assert site.ingest.rejected == ["larger than 1 MB"]


def test_trouble_is_the_brokers_word() -> None:
    site = Site()
    site.client.trouble = "not connected"
    assert site.source.trouble == "not connected"
    site.client.refused = {"tele/#"}
    assert site.source.trouble == "the broker refuses the subscription to tele/#"


def test_settings_change_while_it_runs() -> None:
    site = Site()
    site.reconfigure(
        settings_of(SOURCES="mqtt", SOURCE_MQTT_TOPICS="a/raw/+,tele/#", SOURCE_MQTT_PORT="1884")
    )
    assert site.client.topics == ["tele/#", "a/raw/+"] and site.client.settings.port == 1884
    site.receive(topic=TOPIC)
    site.turn()
    assert site.ingest.take() == [] and len(site.ingest.rejected) == 1


def test_it_waits_for_the_disk_before_it_says_goodbye() -> None:
    site = Site()
    done = site.receive()
    site.turn()
    stopped = site.source.stop()
    assert site.receive(advertisement(2), packet_id=0) is None
    assert "the service stops" in site.ingest.rejected.pop()
    site.clock.advance(0.1)
    assert site.client.did == ["start"]
    site.ingest.take()
    site.clock.advance(0.1)
    assert done.called and site.client.did == ["start", "stop"] and result_of(stopped) is None
    assert site.unwatched and not site.clock.getDelayedCalls()
