"""Topic filters, asked for in small packets, and given up where the broker does not take them."""

from __future__ import annotations

from bssci.mqtt.filters import FILTERS, LOSSES, Filters


def test_few_in_a_packet_and_none_twice() -> None:
    filters = Filters()
    names = [f"f/{number}" for number in range(FILTERS + 1)]
    assert [len(group) for group in filters.add(names)] == [FILTERS, 1]
    assert filters.add(["f/1", "g", "h"], alone=True) == [("g",), ("h",)]
    assert [len(group) for group in filters] == [FILTERS, 1, 1, 1]


def test_losses_that_have_nothing_to_do_with_filters_change_nothing() -> None:
    filters = Filters()
    filters.add(["a", "b"])
    for unanswered in [("a", "b"), (), ("a", "b"), ()] * LOSSES:
        assert not filters.lost(unanswered)
    assert list(filters) == [("a", "b")] and filters.given_up == []


def test_the_one_at_fault_is_found_by_halving() -> None:
    filters = Filters()
    filters.add(["a", "b", "bad", "c"])
    progress = []
    while not filters.given_up:
        progress.append(filters.lost(next(group for group in filters if "bad" in group)))
    assert filters.given_up == ["bad"]
    assert progress == [*[False] * (LOSSES - 1), True] * 3
    assert list(filters) == [("a", "b"), ("c",)]
