"""The queue of downlinks that a simulated station holds."""

from __future__ import annotations

from bssci.simulator.downlinks import DownlinkEnd, DownlinkQueue, QueuedDownlink

EUI = 0xCAFE


def downlink(
    queue_id: int, payloads: dict[int | None, bytes] | None = None, **fields: object
) -> QueuedDownlink:
    return QueuedDownlink(EUI, queue_id, payloads or {None: b"x"}, **fields)


def queue(*downlinks: QueuedDownlink) -> DownlinkQueue:
    held = DownlinkQueue()
    for one in downlinks:
        assert held.add(one) is None
    return held


def test_a_window_takes_one_downlink_the_most_urgent() -> None:
    low, high = downlink(1), downlink(2, priority=1.0)
    held = queue(low, high)
    assert held.window(EUI, 5) == [DownlinkEnd(high, "sent", b"x")]
    assert held.window(EUI, 6) == [DownlinkEnd(low, "sent", b"x")]
    assert held.window(EUI, 7) == []


def test_among_equals_the_oldest_goes_first() -> None:
    assert queue(downlink(2), downlink(1)).window(EUI, 5)[0].downlink.queue_id == 2


def test_a_counter_chooses_the_payload() -> None:
    bound = downlink(1, {7: b"seven", 9: b"nine"})
    held = queue(bound)
    assert held.window(EUI, 8) == []
    assert held.window(EUI, 9) == [DownlinkEnd(bound, "sent", b"nine")]


def test_a_downlink_whose_counters_have_passed_expires() -> None:
    bound = downlink(1, {7: b"seven"})
    assert queue(bound).window(EUI, 8) == [DownlinkEnd(bound, "expired")]


def test_some_wait_for_an_uplink_that_expects_a_response() -> None:
    expected = downlink(1, expected_only=True)
    held = queue(expected)
    assert held.window(EUI, 5) == []
    assert held.window(EUI, 6, response_expected=True) == [DownlinkEnd(expected, "sent", b"x")]


def test_the_same_queue_id_again_changes_nothing() -> None:
    held = queue(downlink(1), downlink(1, {None: b"other"}))
    assert held.window(EUI, 5)[0].payload == b"x"
    assert len(held) == 0


def test_detached_sensors_lose_theirs() -> None:
    held = queue(downlink(1))
    held.drop(EUI)
    assert not held.revoke(EUI, 1)
    assert len(held) == 0
