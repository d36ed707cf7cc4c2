"""Who was not let in."""

from __future__ import annotations

from bssci.stations.refusals import MAX_REFUSALS, Refusals


def test_the_same_again_is_counted_and_comes_first() -> None:
    refusals = Refusals()
    refusals.add("192.0.2.1", "wrong CA", 1.0)
    refusals.add("192.0.2.2", "wrong CA", 2.0)
    refusals.add("192.0.2.1", "wrong CA", 3.0)
    refusals.add("192.0.2.1", "not allowed", 4.0, "CAFE000000000001")
    assert [(each.address, each.reason, each.station, each.count, each.at) for each in refusals.listed()] == [
        ("192.0.2.1", "not allowed", "CAFE000000000001", 1, 4.0),
        ("192.0.2.1", "wrong CA", None, 2, 3.0),
        ("192.0.2.2", "wrong CA", None, 1, 2.0),
    ]


def test_only_the_newest_are_remembered() -> None:
    refusals = Refusals()
    for number in range(MAX_REFUSALS + 5):
        refusals.add(f"192.0.2.{number}", "wrong CA", float(number))
    listed = refusals.listed()
    assert len(listed) == MAX_REFUSALS
    assert (listed[0].address, listed[-1].address) == (f"192.0.2.{MAX_REFUSALS + 4}", "192.0.2.5")
