from __future__ import annotations

from bssci.kafka.batch_size import FIRST_WAIT, LARGEST, LONGEST_WAIT, BatchSize


class Fixture:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.size = BatchSize(lambda: self.seconds)

    def grows_after(self) -> float:
        """s until more is allowed."""
        begun = self.seconds
        while not self.size.grow():
            self.seconds += 10
        return self.seconds - begun


def test_it_begins_with_the_largest_and_does_not_grow_beyond() -> None:
    it = Fixture()
    assert (it.size.bytes, it.size.grow()) == (LARGEST, False)


def test_it_is_at_most_half_of_what_was_refused() -> None:
    it = Fixture()
    it.size.shrink(3 * LARGEST)
    assert it.size.bytes == LARGEST // 2
    it.size.shrink(1000)
    assert it.size.bytes == 500
    it.size.shrink(1)
    assert it.size.bytes == 1, "one message at a time"


def test_it_grows_step_by_step() -> None:
    it = Fixture()
    it.size.shrink(LARGEST // 2)
    assert it.grows_after() == FIRST_WAIT and it.size.bytes == LARGEST // 2
    assert it.grows_after() == FIRST_WAIT and it.size.bytes == LARGEST


def test_it_tries_more_seldom_where_more_does_not_fit() -> None:
    it = Fixture()
    it.size.shrink(40_000)
    waits = []
    for _ in range(8):
        waits.append(it.grows_after())
        it.size.shrink(it.size.bytes)
        assert it.size.bytes == 20_000
    assert waits == [60, 120, 240, 480, 960, 1920, LONGEST_WAIT, LONGEST_WAIT]
    # Now it fits: it becomes quicker again.
    assert [it.grows_after() for _ in range(3)] == [LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT / 2]


def test_several_refusals_on_the_way_down_are_one() -> None:
    it = Fixture()
    for _ in range(5):
        it.size.shrink(it.size.bytes)
    assert it.grows_after() == FIRST_WAIT
