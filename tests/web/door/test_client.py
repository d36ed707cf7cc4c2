"""One client: its packets, its times, and what happens when it does not read."""

from __future__ import annotations

from random import Random

import pytest

from bssci.web.door import client, door
from tests.support.web import WebHouse
from tests.web.door.live_door import (
    UPLINK,
    LiveProbe,
    connect_packet,
    happen,
    heard,
    inside,
    live_token,
    packet,
    subscribe_packet,
    subscribed,
    text,
    the_door,
    topics,
)


def test_a_ping_is_answered_and_a_goodbye_too(web: WebHouse) -> None:
    probe = inside(web)
    probe.send(b"\xc0\x00")
    assert probe.take() == [b"\xd0\x00"]
    probe.send(b"\xe0\x00")
    assert probe.closed == (1000, "")
    assert len(the_door(web)) == 0


@pytest.mark.parametrize(
    "data, reason",
    [
        (packet(0x30, text("a") + b"x"), "publish"),
        (packet(0x82, b"\0\1" + text("a/#/b") + b"\0"), "bad_filter"),
        (b"\x82\xff\xff\xff\xff\x01", "malformed"),
        (b"\x82\xff\xff\x7f", "oversize"),
        (connect_packet("again"), "unexpected"),
        (b"\x20\x02\x00\x00", "unexpected"),
    ],
)
def test_a_packet_that_closes(web: WebHouse, data: bytes, reason: str) -> None:
    probe, other = inside(web), subscribed(web, "mioty/ep/#", client_id="other", token=live_token(web, "o"))
    probe.send(data)
    assert probe.closed is not None and probe.closed[0] == 1008
    assert the_door(web).ended[reason] == 1
    happen(web, heard(web, 1))
    assert topics(other) == [UPLINK]


def test_frames_that_close(web: WebHouse) -> None:
    for data, code in ((b"\x81\x84\0\0\0\0text", 1003), (b"\x82\x01x", 1002), (b"\xc2\x81\0\0\0\0x", 1002)):
        probe = LiveProbe(web)
        probe.send_raw(data)
        assert probe.closed is not None and probe.closed[0] == code
    assert {"text", "mask", "frame"} <= set(the_door(web).ended)


def test_who_says_nothing_is_closed(web: WebHouse) -> None:
    probe = LiveProbe(web)
    web.advance(client.CONNECT_TIME)
    web.advance(door.TICK)
    assert probe.closed == (1008, "no CONNECT within 10 s")
    web.advance(client.CLOSE_TIME)
    web.advance(door.TICK)
    assert probe.connection.transport.aborted


def test_the_keep_alive_is_enforced(web: WebHouse) -> None:
    probe = inside(web, keep_alive=10)
    web.advance(14.0)
    probe.send(b"\xc0\x00")
    web.advance(14.0)
    assert probe.closed is None
    web.advance(1.5)
    assert probe.closed == (1008, "silent for more than 15 s")


def test_without_keep_alive_a_client_is_pinged(web: WebHouse) -> None:
    probe = inside(web, keep_alive=0)
    web.advance(client.LONGEST_SILENCE - 2 * client.PING_TIME)
    web.advance(door.TICK)
    assert b"\x89\x00" in probe.connection.received
    probe.send_raw(b"\x8a\x80\0\0\0\0")
    web.advance(client.LONGEST_SILENCE - 1)
    assert probe.closed is None


def test_one_that_does_not_read_is_told_closed_and_counted(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_QUEUE", 10)
    slow = subscribed(web, "mioty/ep/#", token=live_token(web, "slow"))
    quick = subscribed(web, "mioty/ep/#")
    slow.connection.transport.producer.pauseProducing()
    assert slow.connection.transport.producerState == "paused"
    for number in range(11):
        happen(web, heard(web, number))
    assert slow.closed == (1008, "too slow: 10 messages wait")
    assert the_door(web).ended["slow"] == 1
    assert len(topics(quick)) == 11


def test_what_waits_for_one_that_does_not_read_is_bounded_in_bytes_too(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_QUEUE_BYTES", 2_000)
    slow = subscribed(web, "mioty/ep/#")
    for number in range(20):
        happen(web, heard(web, number))
        assert len(topics(slow)) == 1
    slow.connection.transport.producer.pauseProducing()
    for number in range(20, 40):
        happen(web, heard(web, number))
    assert slow.closed is not None and slow.closed[1].startswith("too slow: ")


def test_one_that_never_reads_is_closed_after_a_while(web: WebHouse) -> None:
    probe = subscribed(web, "mioty/ep/#", keep_alive=0)
    probe.connection.transport.producer.pauseProducing()
    web.advance(client.PATIENCE)
    web.advance(door.TICK)
    assert probe.closed == (1008, "too slow: nothing was read for 30 s")
    web.advance(client.CLOSE_TIME)
    web.advance(door.TICK)
    assert probe.connection.transport.aborted


def test_messages_under_way_are_bounded(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WINDOW", 2)
    probe = subscribed(web, "mioty/ep/#")
    happen(web, *(heard(web, number) for number in range(3)))
    first = probe.take()
    assert len(first) == 2
    probe.acknowledge(first)
    assert len(probe.messages()) == 1


PIECES = (
    connect_packet("again"),
    subscribe_packet("#"),
    b"\xc0\x00",
    b"\x40\x02\x00\x01",
    b"\x30\x03\x00\x01a",
    b"\xe0\x00",
    b"\xff",
    b"\x82\x05\x00",
)


def test_whatever_comes_the_others_go_on(web: WebHouse) -> None:
    random = Random(1)
    other = subscribed(web, "mioty/ep/#", client_id="other")
    token = live_token(web, "fuzz", connections=100)
    for number in range(60):
        probe = inside(web, token, f"c{number}")
        for _ in range(5):
            data = random.choice((random.choice(PIECES), random.randbytes(random.randrange(1, 40))))
            framed = bytes((0x82, 0x80 | len(data), 0, 0, 0, 0)) + data
            probe.send_raw(framed if number % 2 else data)
        probe.connection.lose()
    happen(web, heard(web, 1))
    assert topics(other) == [UPLINK]
    assert len(the_door(web)) == 1
