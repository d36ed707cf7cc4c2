"""Last values on subscribing, and what was missed while a client was away."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.model import EUI, StationState, StationStatus
from bssci.mqtt import payloads
from bssci.web.door import past
from tests.support.telegrams import telegram
from tests.support.web import WebHouse
from tests.web.door.live_door import (
    STATION,
    UPLINK,
    VOLUME,
    LiveProbe,
    connect_packet,
    gap_of,
    happen,
    heard,
    inside,
    inside_again,
    live_token,
    subscribe_packet,
    subscribed,
    the_door,
    topics,
)


def test_the_last_value_comes_on_subscribing(web: WebHouse) -> None:
    happen(web, heard(web, 1), heard(web, 2))
    probe = subscribed(web, UPLINK, VOLUME)
    messages = probe.messages()
    assert [(message.topic, message.retained) for message in messages] == [(UPLINK, True), (VOLUME, True)]
    assert json.loads(messages[0].payload)["cnt"] == 2
    happen(web, heard(web, 3))
    assert [message.retained for message in probe.messages()] == [False, False]


def test_last_values_are_made_once_for_all_who_subscribe_together(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(web, heard(web, 1))
    made: list[str] = []
    encode = past.encode_message

    def counted(topic: str, payload: bytes) -> Any:
        made.append(topic)
        return encode(topic, payload)

    monkeypatch.setattr(past, "encode_message", counted)
    token = live_token(web)
    for _ in range(3):
        assert topics(subscribed(web, "mioty/ep/+/ul", token=token)) == [UPLINK]
    assert made.count(UPLINK) == 1
    happen(web, heard(web, 2))
    [told] = subscribed(web, UPLINK, token=token).messages()
    assert json.loads(told.payload)["cnt"] == 2
    web.advance(past.SHARED + 1)
    assert topics(subscribed(web, UPLINK, token=token)) == [UPLINK]
    assert made.count(UPLINK) == 3


def test_the_last_value_is_looked_up_after_a_restart(web: WebHouse) -> None:
    status = StationStatus(at=web.now(), base_station_eui=EUI(STATION), code=0, uptime=1.0)
    happen(web, heard(web, 1), status)
    web.crash()
    assert topics(subscribed(web, "mioty/ep/+/ul")) == [UPLINK]


def test_stations_and_the_service_are_last_values_too(web: WebHouse) -> None:
    probe = subscribed(web, "mioty/#")
    [service] = probe.messages()
    assert (service.topic, service.retained) == ("mioty/service/status", True)
    assert json.loads(service.payload)["state"] == "online"
    happen(web, StationState(at=web.now(), base_station_eui=EUI(STATION), state="online"))
    assert topics(probe) == [f"mioty/bs/{STATION}/state"]
    web.advance(payloads.HEALTH_INTERVAL)
    assert "mioty/health_check" in topics(probe)


@pytest.mark.parametrize(("text", "at_once"), [("mioty/gateway/#", 20), ("mioty/device/#", 60)])
def test_thousands_of_states_and_values_are_not_too_many_for_one_who_reads(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, text: str, at_once: int
) -> None:
    monkeypatch.setattr("bssci.web.door.client.MAX_QUEUE", 40)
    monkeypatch.setattr("bssci.web.door.client.LOW", 5)
    monkeypatch.setattr("bssci.web.door.client.WINDOW", 10)
    monkeypatch.setattr(past, "DEVICES_AT_ONCE", at_once)
    telegrams = [telegram(number, device=f"any:{number}", gateway=f"roof-{number}") for number in range(60)]
    web.center.gateways.heard(replace(each, device=f"ble:{each.gateway}") for each in telegrams)
    happen(web, *telegrams)
    probe = subscribed(web, text)
    found: list[str] = []
    for _ in range(100):
        found += topics(probe)
        web.advance(past.PAUSE)
    assert probe.closed is None
    assert len(set(found)) == 60


def test_last_values_are_sent_to_a_client_once_at_a_time(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(web, heard(web, 1))
    under_way, most, asked = [0], [0], list[set[str]]()
    show = past.PastTeller.show_last

    async def shown(teller: Any, client: Any, filters: Any) -> None:
        asked.append(set(filters))
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await past.pause(web.clock, 1.0)
        await show(teller, client, filters)
        under_way[0] -= 1

    monkeypatch.setattr(past.PastTeller, "show_last", shown)
    probe = inside(web)
    for number in range(20):
        probe.send(subscribe_packet(f"mioty/ep/+/{number}"))
    probe.send(subscribe_packet(UPLINK))
    web.advance(0.1)
    probe.send(subscribe_packet(VOLUME))
    web.advance(3.0, step=0.1)
    others = {f"mioty/ep/+/{number}" for number in range(20)}
    assert most == [1] and len(asked) == 2
    assert set.union(*asked) == others | {UPLINK, VOLUME}
    assert set(topics(probe)) == {UPLINK, VOLUME}
    probe.send(subscribe_packet(UPLINK))
    web.advance(3.0, step=0.1)
    assert topics(probe) == [UPLINK]


def test_what_was_missed_comes_when_the_client_is_back(web: WebHouse) -> None:
    token = live_token(web)
    probe = subscribed(web, "mioty/ep/#", token=token, clean=False)
    happen(web, heard(web, 1))
    assert topics(probe) == [UPLINK]
    probe.connection.lose()
    happen(web, heard(web, 2), heard(web, 3))
    back = LiveProbe(web)
    back.send(connect_packet(token, clean=False))
    web.advance(past.PAUSE)
    answer, *messages = back.take()
    assert answer == b"\x20\x02\x01\x00"
    assert [json.loads(message.payload)["cnt"] for message in messages] == [2, 3]
    assert all(message.repeated for message in messages)
    happen(web, heard(web, 4))
    assert [json.loads(message.payload)["cnt"] for message in back.messages()] == [4]


def test_what_was_not_acknowledged_comes_again(web: WebHouse) -> None:
    token = live_token(web)
    probe = subscribed(web, "mioty/ep/#", token=token, clean=False)
    happen(web, heard(web, 1), heard(web, 2))
    first, _ = probe.take()
    probe.acknowledge([first])
    probe.connection.lose()
    back = inside_again(web, token)
    assert [json.loads(message.payload)["cnt"] for message in back.messages()] == [2]


def test_what_is_older_than_an_hour_is_a_gap(web: WebHouse) -> None:
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False).connection.lose()
    happen(web, heard(web, 1), heard(web, 2))
    web.advance(past.MAX_AGE)
    happen(web, heard(web, 3))
    told, rest = gap_of(inside_again(web, token))
    assert (told["events"], told["reason"]) == (2, "older than 1 h")
    assert told["from"] < told["to"]
    assert rest == [3]


def test_more_than_enough_messages_are_a_gap(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MAX_MESSAGES", 2)
    monkeypatch.setattr(past, "STEP", 2)
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False).connection.lose()
    happen(web, *(heard(web, number) for number in range(5)))
    back = inside_again(web, token)
    web.advance(past.PAUSE)
    *messages, last = back.messages()
    assert [json.loads(message.payload)["cnt"] for message in messages] == [0, 1]
    assert json.loads(last.payload)["events"] == 3
    happen(web, heard(web, 9))
    assert topics(back) == [UPLINK]


def test_too_many_events_to_look_through_are_a_gap(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MAX_LOOKED_AT", 1)
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False).connection.lose()
    happen(web, heard(web, 1), heard(web, 2), heard(web, 3))
    told, rest = gap_of(inside_again(web, token))
    assert (told["events"], rest) == (2, [3])


def test_a_last_value_in_the_middle_of_what_was_missed_leaves_nothing_out(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "STEP", 1)
    token = live_token(web)
    subscribed(web, UPLINK, token=token, clean=False).connection.lose()
    happen(web, heard(web, 1), heard(web, 2), heard(web, 3))
    back = LiveProbe(web)
    back.send(connect_packet(token, clean=False))
    _, first = back.take()
    back.acknowledge([first])
    back.send(subscribe_packet(UPLINK))
    web.advance(0)
    assert [(message.retained, message.repeated) for message in back.take()[1:]] == [(True, False)]
    back.connection.lose()
    again = inside_again(web, token)
    web.advance(past.PAUSE)
    assert [json.loads(message.payload)["cnt"] for message in again.messages()] == [2, 3]


def test_a_gap_that_does_not_arrive_is_told_again(web: WebHouse) -> None:
    token = live_token(web)
    subscribed(web, "mioty/ep/#", token=token, clean=False).connection.lose()
    happen(web, heard(web, 1), heard(web, 2))
    web.advance(past.MAX_AGE)
    inside_again(web, token).connection.lose()
    told, rest = gap_of(inside_again(web, token))
    assert (told["events"], rest) == (2, [])
    assert inside_again(web, token).messages() == []


@pytest.mark.parametrize("fault", [StorageError("disk broken"), ZeroDivisionError()], ids=repr)
def test_a_client_whose_missed_messages_cannot_be_read_connects_again(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure], fault: Exception
) -> None:
    token = live_token(web)
    subscribed(web, UPLINK, token=token, clean=False).connection.lose()
    happen(web, heard(web, 1))

    async def broken(*_: object) -> Any:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(type(web.journal.events), "read", broken)
        back = inside_again(web, token)
        assert back.closed == (1013, "stored messages cannot be read now, connect again")
    assert the_door(web).ended["not_read"] == 1
    if not isinstance(fault, StorageError):
        assert expected_errors.pop().value is fault
    [missed] = inside_again(web, token).messages()
    assert json.loads(missed.payload)["cnt"] == 1


def test_a_client_whose_last_values_cannot_be_read_connects_again(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(web, heard(web, 1))
    web.crash()

    async def broken(*_: object, **__: object) -> Any:
        raise StorageError("disk broken")

    monkeypatch.setattr(type(web.journal.history), "uplinks_of_sensor", broken)
    probe = subscribed(web, UPLINK)
    assert probe.closed == (1013, "stored messages cannot be read now, connect again")
