"""bssci.mqtt.server.dialogue: which packet may come when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.mqtt.server.dialogue import MAX_PACKET, Dialogue, DialogueStage
from bssci.mqtt.server.packets import (
    Acknowledge,
    ConnectPacket,
    Disconnect,
    PacketError,
    PingRequest,
    Subscribe,
)

CONNECT = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id"
SUBSCRIBE = b"\x82\x06\x00\x07\x00\x01#\x01"
PING = b"\xc0\x00"


def opened() -> Dialogue:
    dialogue = Dialogue()
    assert [type(each) for each in dialogue.receive(CONNECT)] == [ConnectPacket]
    dialogue.accept()
    return dialogue


def test_what_comes_behind_a_connect_waits_for_the_decision() -> None:
    dialogue = Dialogue()
    assert [type(each) for each in dialogue.receive(CONNECT + SUBSCRIBE)] == [ConnectPacket]
    assert list(dialogue.receive(PING)) == []
    dialogue.accept()
    assert [type(each) for each in dialogue.receive(b"")] == [Subscribe, PingRequest]


def test_no_more_than_a_few_packets_wait_for_the_decision() -> None:
    dialogue = Dialogue()
    assert len(list(dialogue.receive(CONNECT))) == 1
    for _ in range(2):
        assert list(dialogue.receive(PING * (MAX_PACKET // 2))) == []
    with pytest.raises(PacketError, match="before the answer to a CONNECT"):
        list(dialogue.receive(PING))
    assert dialogue.stage is DialogueStage.OVER


def test_a_decision_while_packets_are_read() -> None:
    dialogue, seen = Dialogue(), []
    for packet in dialogue.receive(CONNECT + PING):
        seen.append(type(packet))
        if isinstance(packet, ConnectPacket):
            dialogue.accept()
    assert seen == [ConnectPacket, PingRequest]


@pytest.mark.parametrize("data", [SUBSCRIBE, PING, b"\xe0\x00", b"\x40\x02\x00\x01", b"\x30\x03\x00\x01a"])
def test_the_first_packet_is_a_connect(data: bytes) -> None:
    with pytest.raises(PacketError) as refused:
        list(Dialogue().receive(data))
    assert refused.value.reason == "unexpected"


def test_a_second_connect_closes() -> None:
    with pytest.raises(PacketError) as refused:
        list(opened().receive(CONNECT))
    assert refused.value.reason == "unexpected"


def test_a_publish_closes_behind_what_came_before() -> None:
    dialogue, seen = opened(), []
    with pytest.raises(PacketError) as refused:
        for packet in dialogue.receive(PING + b"\x30\x03\x00\x01a" + PING):
            seen.append(packet)
    assert (seen, refused.value.reason) == ([PingRequest()], "publish")
    assert list(dialogue.receive(PING)) == []


def test_nothing_is_read_behind_a_goodbye() -> None:
    dialogue = opened()
    assert list(dialogue.receive(b"\xe0\x00" + PING)) == [Disconnect()]
    assert dialogue.stage is DialogueStage.OVER


def test_a_large_connect_is_refused_and_a_large_subscribe_is_not() -> None:
    with pytest.raises(PacketError) as refused:
        list(Dialogue().receive(b"\x10\x81\x40"))
    assert refused.value.reason == "oversize"
    assert list(opened().receive(b"\x82\x81\x40")) == []
    with pytest.raises(PacketError):
        list(opened().receive(b"\x82\x81\x90\x04"))


def test_nothing_is_read_after_the_end() -> None:
    dialogue = opened()
    dialogue.end()
    assert list(dialogue.receive(PING)) == []


@given(
    st.lists(
        st.sampled_from([CONNECT, SUBSCRIBE, PING, b"\x40\x02\x00\x01", b"\xe0\x00", b"\x00"]), max_size=6
    )
)
def test_packets_in_any_order_are_read_or_end_the_dialogue(pieces: list[bytes]) -> None:
    dialogue = Dialogue()
    first = True
    try:
        for packet in dialogue.receive(b"".join(pieces)):
            assert isinstance(packet, ConnectPacket) is first
            assert isinstance(packet, ConnectPacket | Subscribe | PingRequest | Acknowledge | Disconnect)
            first = False
            if isinstance(packet, ConnectPacket):
                dialogue.accept()
    except PacketError as error:
        assert error.reason in ("unexpected", "malformed")
        assert dialogue.stage is DialogueStage.OVER
