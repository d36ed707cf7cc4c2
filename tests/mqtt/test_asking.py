"""Filters that are asked for all at once, or in turn."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock

from bssci.mqtt.asking import ANSWER_TIME, Asking

GROUPS = [["a", "b"], ["c"], ["d"]]


class Fixture:
    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[Sequence[str]] = []
        self.asking = Asking(self.clock, self._subscribe)

    def _subscribe(self, group: Sequence[str]) -> int | None:
        if group == ["invalid"]:
            return None
        self.asked.append(group)
        return len(self.asked)


def test_all_at_once() -> None:
    it = Fixture()
    it.asking.add(GROUPS)
    assert it.asked == GROUPS and not it.asking.is_in_turn
    assert it.asking.unanswered == ["a", "b"]
    assert it.asking.answered(2) == ["c"] and it.asking.answered(2) == ()
    assert it.asking.unanswered == ["a", "b"]


def test_in_turn_each_after_the_answer_to_the_one_before() -> None:
    it = Fixture()
    it.asking.add([["invalid"], *GROUPS], in_turn=True)
    for number, group in enumerate(GROUPS, 1):
        assert it.asking.is_in_turn and it.asked[-1] == it.asking.unanswered == group
        assert it.asking.answered(number) == group
    assert it.asked == GROUPS and not it.asking.is_in_turn
    it.asking.add([["later"], ["last"]])
    assert it.asked[-2:] == [["later"], ["last"]]


def test_answers_that_do_not_come_are_waited_for_only_so_long() -> None:
    it = Fixture()
    it.asking.add(GROUPS, in_turn=True)
    it.clock.advance(ANSWER_TIME - 1)
    assert not it.asking.end_if_late() and it.asked == GROUPS[:1]
    it.clock.advance(1)
    assert it.asking.end_if_late() and it.asked == GROUPS
    assert not it.asking.is_in_turn and not it.asking.end_if_late()
