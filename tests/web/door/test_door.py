"""The live stream as a whole, by the bytes of its clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.center.alarms.conditions import Condition
from bssci.model import AnyEvent, Uplink
from bssci.web.door import door, past
from bssci.web.door.messages import Narrator, Telling
from tests.support.telegrams import telegram
from tests.support.web import WebHouse
from tests.web.door.live_door import (
    UPLINK,
    VOLUME,
    connect_packet,
    happen,
    heard,
    inside,
    inside_again,
    live_token,
    packet,
    refused,
    subscribe_packet,
    subscribed,
    text,
    the_door,
)


def success(deferred: Deferred[Any]) -> Any:
    """What a Deferred has fired with."""
    results: list[Any] = []
    deferred.addCallback(results.append)
    return results[0]


def test_a_token_is_for_some_connections_at_a_time(web: WebHouse) -> None:
    token = live_token(web, connections=2)
    first = inside(web, token, "a")
    inside(web, token, "b")
    assert refused(web, connect_packet(token, "c")) == (3, "token_connections")
    first.connection.lose()
    inside(web, token, "c")


def test_the_door_has_room_for_some(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(**{"live-clients": "1"})
    token = live_token(web)
    inside(web, token, "a")
    assert refused(web, connect_packet(token, "b")) == (3, "too_many_clients")


def test_a_second_client_takes_the_identifier_over(web: WebHouse) -> None:
    token = live_token(web, connections=1)
    first = inside(web, token, "same")
    inside(web, token, "same")
    assert first.closed == (1008, "another client connected with this identifier")
    other = live_token(web, "other")
    inside(web, other, "same")
    assert len(the_door(web)) == 2


def test_the_quality_of_service_is_one_at_most(web: WebHouse) -> None:
    probe = inside(web)
    probe.send(subscribe_packet("mioty/ep/#", qos=2))
    assert probe.take()[0][4:] == b"\x01"
    probe.send(subscribe_packet("mioty/ep/#", qos=0))
    web.advance(past.PAUSE)
    probe.take()
    happen(web, heard(web, 1))
    assert [message.qos for message in probe.messages()] == [0]


def test_an_answer_that_is_no_event_is_told_to_who_may_see_everything(web: WebHouse) -> None:
    everything, some = subscribed(web, "mioty/#"), inside(web, live_token(web, "some", tags=["cellar"]))
    some.send(subscribe_packet("mioty/#"))
    web.advance(past.PAUSE)
    everything.take(), some.take()
    web.center.announcements.tell("mioty/config/response", b'{"status": "done"}')
    [message] = everything.messages()
    assert (message.topic, message.payload, message.retained) == (
        "mioty/config/response",
        b'{"status": "done"}',
        False,
    )
    assert some.take() == []


def test_an_event_that_cannot_be_told_stops_none_after_it(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    token = live_token(web)
    probe = subscribed(web, "mioty/ep/#", token=token, clean=False)
    tell = Narrator._tell

    def tell_others(narrator: Narrator, event: AnyEvent, *arguments: Any) -> Iterator[Telling]:
        if isinstance(event, Uplink) and event.packet_counter == 1:
            raise ZeroDivisionError
        return tell(narrator, event, *arguments)

    monkeypatch.setattr(Narrator, "_tell", tell_others)
    happen(web, heard(web, 2), heard(web, 1), heard(web, 3))
    assert [json.loads(message.payload)["cnt"] for message in probe.take()] == [2, 3]
    probe.connection.lose()
    missed = inside_again(web, token).messages()
    assert [json.loads(message.payload)["cnt"] for message in missed] == [2, 3]
    assert [expected_errors.pop().type for _ in range(2)] == [ZeroDivisionError] * 2


def test_after_unsubscribing_nothing_more_comes(web: WebHouse) -> None:
    probe = subscribed(web, "mioty/ep/#")
    probe.send(packet(0xA2, b"\0\x09" + text("mioty/ep/#")))
    assert probe.take() == [b"\xb0\x02\x00\x09"]
    happen(web, heard(web, 1))
    assert probe.take() == []


def test_a_client_has_some_filters(web: WebHouse) -> None:
    probe = inside(web)
    probe.send(subscribe_packet(*(f"mioty/x{number}" for number in range(door.MAX_FILTERS + 2))))
    answer = probe.take()[0]
    assert answer[-3:] == b"\x01\x80\x80"


def test_the_longest_filter_there_can_be_is_answered(web: WebHouse) -> None:
    probe = inside(web)
    probe.send(subscribe_packet("a" * 65_535))
    assert probe.take()[0][-1:] == b"\x80"
    probe.send(subscribe_packet("a" * door.LONGEST_FILTER))
    assert probe.take()[0][-1:] == b"\x01"
    assert the_door(web).ended["refused_filter"] == 1


def test_filters_are_bounded_in_all(web: WebHouse) -> None:
    probe = inside(web)
    probe.send(subscribe_packet("c"))
    assert probe.take()[0][-1:] == b"\x01"
    length = door.LONGEST_FILTER
    count = door.MAX_FILTERS_LENGTH // length
    filters = [f"{number:04}".ljust(length, "a") for number in range(count)]
    probe.send(subscribe_packet(*filters, "b"))
    answer = probe.take()[0]
    assert answer[-2:] == b"\x80\x01" and answer[-1 - count : -2] == b"\x01" * (count - 1)
    probe.send(subscribe_packet(filters[0]))
    assert probe.take()[0][-1:] == b"\x01"


def test_a_token_that_is_revoked_parts_from_its_clients_at_once(web: WebHouse) -> None:
    probe = inside(web)
    admin = web.browser("admin")
    [token] = admin.get("/api/mqtt-tokens").json()["tokens"]
    assert admin.delete(f"/api/mqtt-tokens/{token['token_id']}").status == 200
    assert probe.closed == (1008, "the token is revoked")


def test_a_token_that_is_revoked_at_the_command_line(web: WebHouse) -> None:
    probe = inside(web)
    web.file.revoke_live_token("live")
    web.advance(door.TICK)
    assert probe.closed == (1008, "the token is revoked")


def test_a_token_that_expires_in_the_middle_of_a_connection(web: WebHouse) -> None:
    token = live_token(web, expires_in_days=1)
    web.clock.advance(86_400 - 900.0)
    probe = inside(web, token, keep_alive=0)
    for _ in range(8):
        web.clock.advance(150.0)
        probe.send(b"\xc0\x00")
        if probe.closed:
            break
    assert probe.closed == (1008, "the token has expired")


def test_the_end_of_the_service_is_told(web: WebHouse) -> None:
    probe = subscribed(web, "#")
    probe.messages()
    the_door(web).stop()
    web.settle()
    [message] = [each for each in probe.take() if not isinstance(each, bytes)]
    assert json.loads(message.payload)["state"] == "offline"
    assert probe.closed == (1001, "the service stops")


def test_what_is_replayed_is_told_and_marked(web: WebHouse) -> None:
    happen(web, heard(web, 1))
    probe = subscribed(web, "mioty/ep/#", "device/+/telemetry/volume")
    probe.messages()
    assert web.outside.decoders is not None
    [event] = success(web.outside.decoders.decode([heard(web, 2)]))
    done: list[None] = []
    the_door(web).replayed([event]).addCallback(done.append)
    told = {message.topic: json.loads(message.payload) for message in probe.messages()}
    assert {topic: body["replayed"] for topic, body in told.items()} == {UPLINK: True, VOLUME: True}
    assert done == [None]
    # It is not the last value of anything.
    [last] = subscribed(web, UPLINK, token=live_token(web, "other")).messages()
    assert json.loads(last.payload)["cnt"] == 1


def test_a_replay_waits_a_while_for_those_who_are_slow(web: WebHouse) -> None:
    probe = subscribed(web, "mioty/ep/#")
    probe.connection.transport.producer.pauseProducing()
    events = [heard(web, number) for number in range(400)]
    done: list[None] = []
    the_door(web).replayed(events).addCallback(done.append)
    assert done == []
    web.advance(door.REPLAY_PATIENCE)
    assert done == [None]


def test_gateways_and_open_alarms_are_last_values_too(web: WebHouse) -> None:
    web.center.gateways.heard([telegram(device="ble:AA:BB:CC:DD:EE:FF", gateway="roof")])
    bad = Condition("sink-failing:mqtt", "error", "mqtt cannot deliver", "/")
    web.center.alarms.evaluate({"sink-failing"}, [bad])
    probe = subscribed(web, "mioty/gateway/#", "mioty/alarm/+")
    told = {message.topic: (json.loads(message.payload), message.retained) for message in probe.messages()}
    assert told["mioty/gateway/scanner/roof/state"][0]["state"] == "online"
    assert told["mioty/alarm/sink-failing:mqtt"][0]["state"] == "open"
    assert all(retained for _, retained in told.values())
