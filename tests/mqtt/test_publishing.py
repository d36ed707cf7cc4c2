"""The window of publications, with an engine that only counts."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from bssci.mqtt import version5
from bssci.mqtt.publishing import WINDOW, WINDOW_QOS_2, PublishWindow
from bssci.mqtt.values import MessagesRefused, MqttOffline, Publication


class Engine:
    """Takes publications and gives them packet ids."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: Any = None) -> Any:
        if "+" in topic:
            raise ValueError("no topic")
        self.sent.append(payload)
        return SimpleNamespace(rc=0, mid=len(self.sent))


def window(qos: int = 1, version_5: bool = False) -> PublishWindow:
    return PublishWindow(version_5, qos)


def publications(*payloads: bytes) -> list[Publication]:
    return [Publication("t", payload) for payload in payloads]


@pytest.mark.parametrize(("qos", "size"), [(1, WINDOW), (2, WINDOW_QOS_2)])
def test_what_has_no_room_waits_its_turn(qos: int, size: int) -> None:
    engine = Engine()
    held = window(qos)
    payloads = [b"%d" % number for number in range(size + 2)]
    done = held.enqueue(publications(*payloads))
    held.fill(engine, 5.0)
    assert (engine.sent, held.in_flight, held.has_queue, held.progress_at) == (payloads[:-2], size, True, 5.0)
    for packet_id in (1, 2):
        held.settled(packet_id, b"")
    held.fill(engine, 6.0)
    assert engine.sent == payloads and not held.has_queue and held.progress_at == 5.0
    for packet_id in range(3, size + 3):
        held.settled(packet_id, b"")
    assert held.is_empty and not done.called
    held.fire_complete()
    assert done.called


def test_an_answer_to_nothing_is_passed_over() -> None:
    held = window()
    held.settled(7, b"")
    held.fire_complete()
    assert held.is_empty


def test_without_acknowledgements_what_is_sent_is_done() -> None:
    held = window(qos=0)
    done = held.enqueue(publications(b"a"))
    held.fill(Engine(), 0.0)
    held.fire_complete()
    assert done.called


def failure(done: Deferred[None]) -> BaseException:
    caught: list[BaseException] = []
    done.addErrback(lambda failure: caught.append(failure.value))
    [error] = caught
    return error


def test_a_wrong_topic_costs_its_batch_only() -> None:
    engine = Engine()
    held = window()
    wrong, right = held.enqueue([Publication("a/+", b"x")]), held.enqueue(publications(b"y"))
    held.fill(engine, 0.0)
    assert isinstance(failure(wrong), ValueError) and engine.sent == [b"y"] and not right.called


def test_a_broker_of_mqtt_5_says_what_it_does_not_take() -> None:
    engine, held = Engine(), window(version_5=True)
    held.accept(version5.BrokerLimits(packet=80, window=2, qos=1))
    done = held.enqueue(publications(b"a", b"b" * 99, b"c"))
    held.fill(engine, 0.0)
    held.fill(engine, 0.0)
    assert engine.sent == [b"a", b"c"]
    held.settled(1, b"\0\1")
    held.settled(2, b"\0\2\x87\0")
    held.fire_complete()
    error = failure(done)
    assert isinstance(error, MessagesRefused) and sorted(error.refused) == [1, 2]
    assert error.refused[1].code == version5.PACKET_TOO_LARGE


def test_messages_that_are_too_large_for_the_broker_take_no_room() -> None:
    held = window(version_5=True)
    held.accept(version5.BrokerLimits(packet=20))
    done = held.enqueue(publications(*[b"%d" % number for number in range(2 * WINDOW + 1)]))
    held.fill(Engine(), 0.0)
    held.fire_complete()
    error = failure(done)
    assert isinstance(error, MessagesRefused) and len(error.refused) == 2 * WINDOW + 1


def test_a_lost_connection_fails_everything_that_is_not_answered() -> None:
    engine = Engine()
    held = window()
    answered, sent = held.enqueue(publications(b"a")), held.enqueue(publications(b"b"))
    held.fill(engine, 0.0)
    waiting = held.enqueue(publications(b"c"))
    held.settled(1, b"")
    held.fail("gone")
    assert answered.called and held.is_empty
    assert [str(failure(each)) for each in (sent, waiting)] == ["gone", "gone"]
    assert answered.result is None


@pytest.mark.parametrize("version_5", [False, True])
@pytest.mark.parametrize(
    ("answered", "taken"), [([], 0), ([1, 2], 2), ([1, 3], 1), ([2], 0), (range(1, WINDOW + 1), WINDOW)]
)
def test_what_was_acknowledged_from_the_first_on_is_said(
    version_5: bool, answered: Sequence[int], taken: int
) -> None:
    held = window(version_5=version_5)
    sent = held.enqueue(publications(*[b"x"] * (WINDOW + 5)))
    waiting = held.enqueue(publications(b"y"))
    held.fill(Engine(), 0.0)
    for packet_id in answered:
        held.settled(packet_id, b"")
    held.fail("gone")
    errors = [failure(each) for each in (sent, waiting)]
    assert [error.taken for error in errors if isinstance(error, MqttOffline)] == [taken, 0]


def test_what_the_broker_refused_is_not_said_to_be_taken() -> None:
    held = window(version_5=True)
    sent = held.enqueue(publications(b"a", b"b", b"c"))
    held.fill(Engine(), 0.0)
    held.settled(1, b"\0\1")
    held.settled(2, b"\0\2\x87\0")
    held.fail("gone")
    error = failure(sent)
    assert isinstance(error, MqttOffline) and error.taken == 1


def test_what_was_only_written_is_not_said_to_be_taken() -> None:
    held = window(qos=0)
    sent = held.enqueue(publications(*[b"x"] * (WINDOW + 5)))
    held.fill(Engine(), 0.0)
    held.fail("gone")
    error = failure(sent)
    assert isinstance(error, MqttOffline) and error.taken is None
