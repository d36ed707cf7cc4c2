"""The sink before a broker in memory: what it publishes, when, and what it waits for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from bssci.model import GatewayState
from bssci.mqtt import payloads
from bssci.mqtt.client import MqttClient, MqttOffline
from bssci.mqtt.values import MqttSettings, PublishRefusal
from bssci.mqtt.version5 import NOT_AUTHORIZED
from bssci.sinks import ISink
from bssci.sinks.mqtt import second_chance
from bssci.sinks.mqtt.echo import ECHO_TIME, USUAL_TIME
from bssci.sinks.mqtt.settings import GROUP
from bssci.sinks.mqtt.sink import TROUBLE_INTERVAL
from bssci.sinks.mqtt.suspects import LOSSES
from tests.mqtt.memory_broker import Kind
from tests.sinks.mqtt.sink_house import STATION, SinkHouse, state
from tests.support.journal import uplink
from tests.support.settings import INSTALLED


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> SinkHouse:
    fixture = SinkHouse(monkeypatch)
    fixture.sink.start()
    return fixture


def topics(published: list[tuple[str, Any, bool]]) -> list[str]:
    return [topic for topic, _, _ in published]


def test_it_is_a_sink(it: SinkHouse) -> None:
    assert verifyObject(ISink, it.sink)
    assert INSTALLED.sinks["mqtt"].settings is GROUP


def test_birth_will_and_the_states_of_stations_on_every_connection(it: SinkHouse) -> None:
    it.clock.advance(0)
    [connect] = it.broker.packets()
    will = payloads.service_status("mioty", "offline", "1.2.3", 5.0)
    assert will.topic.encode() in connect.body and will.payload in connect.body
    assert b"bssci-0200000000000001" in connect.body
    for _ in range(2):
        it.accept()
        published = it.published()
        assert topics(published) == ["service/status", f"bs/{STATION}/state"]
        assert [payload["state"] for _, payload, _ in published] == ["online", it.center.states[0].state]
        assert all(retained for _, _, retained in published)
        it.broker.drop()
        it.center.change(state("online"))
        it.clock.advance(5)


@pytest.mark.parametrize("remembered", [False, True])
def test_sensors_are_announced_anew_where_the_broker_has_lost_its_data(
    monkeypatch: pytest.MonkeyPatch, remembered: bool
) -> None:
    it = SinkHouse(monkeypatch, **{"mqtt-homeassistant": "true"})
    it.sink.start()
    announced = []
    for counter in range(2):
        it.accept(remembered=remembered)
        it.published()
        it.deliver(counter)
        announced.append([each for each in topics(it.published()) if each.endswith("/last_seen/config")])
        it.broker.drop()
        it.clock.advance(5)
    assert len(announced[0]) == 1
    assert announced[1] == ([] if remembered else announced[0])


def test_a_sensor_whose_announcement_was_lost_with_the_connection_is_announced_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = SinkHouse(monkeypatch, **{"mqtt-homeassistant": "true"})
    it.sink.start()
    it.accept()
    it.published()
    outcome = it.deliver(1)
    it.broker.drop()
    assert outcome[0].check(MqttOffline)
    it.clock.advance(5)
    it.accept(remembered=True)
    it.published()
    it.deliver(1)
    assert [each for each in topics(it.published()) if each.endswith("/last_seen/config")]


def test_gateways_are_told_of_on_every_connection_and_as_they_change(it: SinkHouse) -> None:
    offline = GatewayState(at=7.0, gateway="roof", gateway_kind="scanner", state="offline", reason="silent")
    it.center.gateways = [offline]
    it.accept()
    said = {
        "state": "offline",
        "since": 7.0,
        "reason": "silent",
        "name": None,
        "gateway": "roof",
        "gateway_kind": "scanner",
        "timestamp": 7.0,
        "time": "1970-01-01T00:00:07.000000000Z",
        "sc_eui": "0200000000000001",
    }
    assert it.published()[-1] == ("gateway/scanner/roof/state", said, True)
    assert payloads.message("mioty", offline).retain
    assert payloads.message("mioty", offline, replayed=True) is None


def test_the_state_of_a_forgotten_gateway_is_cleared_and_does_not_come_back(it: SinkHouse) -> None:
    roof = GatewayState(at=7.0, gateway="roof", gateway_kind="scanner", state="online")
    it.center.gateways = [roof]
    it.accept()
    it.published()
    it.center.gateways = []
    [forget] = it.center.of_forgotten
    forget(roof)
    assert it.published() == [("gateway/scanner/roof/state", None, True)]
    it.sink.deliver([roof])
    [(topic, said, is_retained)] = it.published()
    assert (topic, said["state"], is_retained) == ("gateway/scanner/roof/state", "online", False)
    it.broker.drop()
    it.center.states = []
    forget(state("offline"))
    it.clock.advance(5)
    it.accept()
    assert (f"bs/{STATION}/state", None, True) in it.published()


def test_stations_that_come_and_go_are_told_at_once_and_retained(it: SinkHouse) -> None:
    it.accept()
    it.published()
    it.center.change(state("online"))
    said = payloads.station_state("x", state("online"), it.center.eui)
    assert it.published() == [(f"bs/{STATION}/state", json.loads(said.payload), True)]


def test_a_batch_is_taken_when_the_broker_has_acknowledged_it(it: SinkHouse) -> None:
    it.accept()
    it.published()
    outcome = it.deliver(1, 2)
    it.clock.advance(0)
    assert outcome == []
    assert [payload["cnt"] for _, payload, _ in it.published()] == [1, 2]
    it.clock.advance(0)
    assert outcome == [None]


def test_it_is_known_whether_the_broker_was_ever_reached(it: SinkHouse) -> None:
    it.clock.advance(0)
    assert (it.sink.reached, it.sink.trouble) == (False, "")
    it.accept()
    assert it.sink.reached


def test_nothing_is_delivered_before_the_birth_message_has_come_back(it: SinkHouse) -> None:
    it.accept(echo=False)
    outcome = it.deliver(1)
    it.broker.publish("mioty/service/status", b'{"state": "offline"}')
    it.broker.publish("mioty/service/status", it.birth(), retained=True)
    assert topics(it.published()) == ["service/status", f"bs/{STATION}/state"]
    assert it.sink.trouble == ""
    it.clock.advance(USUAL_TIME)
    assert it.sink.trouble == "the broker has not sent back the birth message yet"
    it.clock.advance(ECHO_TIME - USUAL_TIME)
    assert "did not send it back within 10 s" in it.sink.trouble and "MQTT_CONFIRM" in it.sink.trouble
    assert it.published() == [] and outcome == []
    it.echo()
    assert it.sink.trouble == ""
    assert topics(it.published())[-1].endswith("/ul")
    it.clock.advance(0)
    assert outcome == [None]


def test_what_waits_for_the_birth_message_fails_with_the_connection(it: SinkHouse) -> None:
    it.accept(echo=False)
    outcome = it.deliver(1)
    it.broker.drop()
    assert outcome[0].check(MqttOffline)


def test_where_we_may_not_subscribe_nothing_is_waited_for(
    it: SinkHouse, expected_errors: list[object]
) -> None:
    it.clock.advance(0)
    it.broker.packets()
    it.broker.accept()
    it.clock.advance(0)
    sent = it.broker.packets()
    assert it.sink.request_figures()["trouble"] == ""
    for packet in sent:
        if packet.kind is Kind.SUBSCRIBE:
            it.broker.send(Kind.SUBACK, packet.body[:2] + b"\x80")
    trouble = it.sink.request_figures()["trouble"]
    assert trouble.startswith("the broker refuses the subscription to mioty/"), trouble
    it.broker.acknowledge(*(packet.publish[2] for packet in sent if packet.kind is Kind.PUBLISH))
    outcome = it.deliver(1)
    assert topics(it.published()) == ["ep/FCA84A0300001234/ul"]
    it.clock.advance(0)
    assert outcome == [None]
    expected_errors.clear()


def test_flags_that_a_broker_does_not_take_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    off = {"mqtt-retain": "false", "mqtt-will": "false", "mqtt-confirm": "false"}
    it = SinkHouse(monkeypatch, **off)
    it.sink.start()
    it.clock.advance(0)
    [connect] = it.broker.packets()
    assert b"offline" not in connect.body
    it.accept(echo=False)
    outcome = it.deliver(1)
    published = it.published()
    assert len(published) == 3 and not any(retained for _, _, retained in published)
    it.clock.advance(0)
    assert outcome == [None]


def test_filters_go_in_small_packets_and_those_elsewhere_alone(it: SinkHouse) -> None:
    it.clock.advance(0)
    it.broker.packets()
    it.broker.accept()
    it.clock.advance(0)
    asked = [packet.body for packet in it.broker.packets() if packet.kind is Kind.SUBSCRIBE]
    elsewhere = [body for body in asked if b"\0\x08EP/+/cmd" in body or b"\0\x09EP/+/cmd/" in body]
    assert [len(body) for body in elsewhere] == [13, 14]
    assert b"mioty/service/status" in asked[0]


def test_a_message_that_the_broker_never_takes_is_set_aside(it: SinkHouse) -> None:
    outcomes: list[list[Any]] = []
    for _ in range(20):
        it.accept()
        if not outcomes or outcomes[-1]:
            it.published()
            outcomes.append(it.deliver(1, 2, 3))
        is_there = True
        while is_there and not outcomes[-1]:
            it.clock.advance(0)
            sent = [packet for packet in it.broker.packets() if packet.kind is Kind.PUBLISH]
            for packet in sent:
                if b'"cnt":2' in packet.publish[1]:
                    it.broker.drop()
                    is_there = False
                    break
                it.broker.acknowledge(packet.publish[2])
                it.broker.publish(*packet.publish[:2])
        if outcomes[-1] == [None]:
            break
        assert "sent last: mioty/ep/FCA84A0300001234/ul" in it.sink.trouble
        attempts = it.broker.attempts
        while it.broker.attempts == attempts:
            it.clock.advance(0.5)
    assert len(outcomes) == LOSSES, "what is sent one by one needs no other delivery"
    assert it.sink.trouble == ""
    assert it.sink.set_aside.count == 1
    assert "closes the connection at it: mioty/ep/FCA84A0300001234/ul" in it.sink.set_aside.last_reason


def test_a_station_on_its_way_in_for_the_first_time_has_no_state_yet(it: SinkHouse) -> None:
    it.center.states = [state("offline", at=0.0)]
    it.accept()
    assert topics(it.published()) == ["service/status"]


def test_a_client_identifier_in_use_twice_is_a_warning_also_to_other_processes(
    it: SinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = it.sink._live = Live()
    it.accept()
    monkeypatch.setattr(MqttClient, "warning", "another client may use our identifier")
    it.clock.advance(TROUBLE_INTERVAL)
    assert it.sink.warning == "another client may use our identifier"
    assert live.told[-1] == "connected, but another client may use our identifier"


class Live:
    """The file in which other processes read how the connection is."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, settings: MqttSettings, trouble: str) -> None:
        self.told.append(trouble)

    def close(self) -> None:
        pass


def test_other_processes_are_told_that_a_broker_drops_what_it_acknowledges(it: SinkHouse) -> None:
    live = it.sink._live = Live()
    it.clock.advance(TROUBLE_INTERVAL)
    assert live.told == ["connecting"]
    it.accept(echo=False)
    it.published()
    it.clock.advance(USUAL_TIME)
    it.clock.advance(ECHO_TIME)
    it.clock.advance(TROUBLE_INTERVAL)
    assert live.told[-1].startswith("connected, but the broker acknowledged the birth message")
    it.echo()
    it.clock.advance(TROUBLE_INTERVAL)
    assert live.told[-1] == ""
    it.broker.drop()
    assert live.told[-1].startswith("not connected to localhost:1883: ")


def test_without_a_broker_a_batch_waits_and_nothing_is_published(it: SinkHouse) -> None:
    outcome = it.deliver(1)
    it.clock.advance(0)
    assert outcome == []
    it.accept()
    assert topics(it.published())[-1].endswith("/ul")
    it.clock.advance(0)
    assert outcome == [None]


def test_it_says_of_itself_that_the_broker_is_away(it: SinkHouse) -> None:
    assert it.sink.trouble == ""
    it.accept()
    it.published()
    assert it.sink.trouble == ""
    it.broker.drop()
    it.deliver(1)
    assert it.sink.trouble.startswith("not connected to localhost:1883: ")
    it.clock.advance(5)
    it.accept()
    assert it.sink.trouble == ""


def test_a_connection_that_is_lost_fails_the_batch(it: SinkHouse) -> None:
    it.accept()
    it.published()
    outcome = it.deliver(1)
    it.clock.advance(0)
    it.broker.drop()
    assert outcome[0].check(MqttOffline)


@pytest.mark.parametrize("proven", [True, False])
def test_a_batch_whose_connection_was_lost_is_published_whole(it: SinkHouse, proven: bool) -> None:
    it.accept()
    it.published()
    if proven:
        it.deliver(0)
        it.published()
    outcome = it.deliver(1, 2)
    it.clock.advance(0)
    uplinks = [packet for packet in it.broker.packets() if packet.kind is Kind.PUBLISH]
    it.broker.acknowledge(uplinks[0].publish[2])
    it.broker.drop()
    assert outcome[0].value.taken == (1 if proven else None)
    it.clock.advance(5)
    it.accept()
    it.published()
    outcome = it.deliver(1, 2)
    assert [payload["cnt"] for _, payload, _ in it.published()] == [1, 2]
    it.clock.advance(0)
    assert outcome == [None]


def test_what_is_published_again_says_so(it: SinkHouse) -> None:
    it.accept()
    it.published()
    it.sink.deliver_again([uplink(1)])
    ((topic, payload, _),) = it.published()
    assert topic == f"ep/{uplink(1).end_point_eui}/ul"
    assert (payload["replayed"], payload["id"]) == (True, uplink(1).id)


def test_an_event_that_cannot_be_published_costs_itself(
    it: SinkHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = payloads.message

    def message(base_topic, event, replayed=False):
        if event.packet_counter == 2:
            raise ValueError("bug")
        return real(base_topic, event, replayed)

    monkeypatch.setattr(payloads, "message", message)
    it.accept()
    it.published()
    outcome = it.deliver(1, 2, 3)
    assert [payload["cnt"] for _, payload, _ in it.published()] == [1, 3]
    it.clock.advance(0)
    assert outcome == [None]
    assert (it.sink.set_aside.count, it.sink.set_aside.last_reason) == (
        1,
        "it cannot be written as JSON: bug",
    )


def test_a_sign_of_life_every_minute(it: SinkHouse) -> None:
    it.accept()
    it.published()
    seen = 0
    for _ in range(6):
        it.clock.advance(20)
        it.broker.send(Kind.PINGRESP, b"")
        seen += topics(it.published()).count("health_check")
    assert seen == 2


def test_a_stop_says_goodbye_and_lets_go(it: SinkHouse) -> None:
    it.accept()
    it.published()
    stopped: list[object] = []
    it.sink.stop().addBoth(stopped.append)
    [(topic, payload, retained)] = it.published()
    assert (topic, payload["state"], retained) == ("service/status", "offline", True)
    it.clock.advance(0)
    it.broker.close()
    it.clock.advance(5)
    assert stopped == [None]
    assert it.center.watchers == []
    assert it.clock.getDelayedCalls() == []


def test_a_stop_ends_what_waits_for_a_broker(it: SinkHouse) -> None:
    outcome = it.deliver(1)
    it.sink.stop()
    assert outcome[0].check(MqttOffline)
    assert it.clock.getDelayedCalls() == []


def test_a_state_that_the_broker_refused_is_not_published_after_a_newer_one(it: SinkHouse) -> None:
    it.accept()
    it.published()
    old = payloads.station_state("mioty", state("offline"), it.center.eui)
    it.sink._refusals.note({}, {0: (old, PublishRefusal(NOT_AUTHORIZED, "not authorized"))})
    it.center.change(state("online"))
    [(_, newer, _)] = it.published()
    it.clock.advance(second_chance.INTERVAL)
    states = [said for topic, said, _ in it.published() if topic == f"bs/{STATION}/state"]
    assert states == [newer] and newer["state"] == "online"
