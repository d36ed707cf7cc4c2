from __future__ import annotations

from bssci.sinks.paced_size import PacedSize


def test_it_begins_with_the_largest_and_does_not_grow_beyond() -> None:
    size = PacedSize(100, 30.0)
    size.taken(100, 0.1)
    assert size.now == 100


def test_it_is_half_of_what_was_late_and_at_least_one() -> None:
    size = PacedSize(100, 30.0)
    found = []
    for count in (100, 40, 80, 3, 1):
        size.late(count)
        found.append(size.now)
    assert found == [50, 20, 20, 1, 1]


def test_it_grows_while_the_other_side_takes_it_easily() -> None:
    size = PacedSize(100, 30.0)
    size.late(20)
    found = []
    for seconds in (20.0, 7.5, 7.4, 1.0, 1.0, 1.0, 1.0):
        size.taken(size.now, seconds)
        found.append(size.now)
    assert found == [10, 10, 20, 40, 80, 100, 100]


def test_it_does_not_grow_by_how_fast_fewer_are_taken() -> None:
    size = PacedSize(100, 30.0)
    size.late(20)
    for count in (9, 1, 0):
        size.taken(count, 0.1)
    assert size.now == 10
    size.taken(10, 0.1)
    assert size.now == 20
