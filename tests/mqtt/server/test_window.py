"""bssci.mqtt.server.window: packet identifiers, and how far a client has come."""

from __future__ import annotations

from bssci.mqtt.server.window import Window


def test_identifiers_begin_at_one_and_go_round() -> None:
    window = Window(2)
    window._last_id = 65534
    assert [window.send(1), window.send(1)] == [65535, 1]


def test_an_identifier_under_way_is_passed_over() -> None:
    window = Window(10)
    assert window.send(1) == 1
    window._last_id = 65535
    assert window.send(2) == 2


def test_the_oldest_message_tells_how_far_the_client_has_come() -> None:
    window = Window(2)
    first, second = window.send(70), window.send(71)
    assert window.is_full
    assert window.oldest == 70
    assert window.acknowledge(second)
    assert window.oldest == 70
    assert window.acknowledge(first)
    assert window.oldest is None
    assert not window.acknowledge(first)
    assert len(window) == 0
