"""The order in which connections process what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bssci.stations.read_order import READ_TIME, ReadOrder


class Turns:
    """A clock whose calls without a delay come in the next turn, as the reactor's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Callable[[], object]] = []

    def seconds(self) -> float:
        return self.now

    def callLater(self, delay: float, call: Callable[[], object]) -> Any:
        assert delay == 0
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Slow:
    """A connection whose bytes take some time, s."""

    def __init__(self, turns: Turns, log: list[str], name: str, seconds: float) -> None:
        self.turns = turns
        self.log = log
        self.name = name
        self.seconds = seconds

    def read(self) -> None:
        self.log.append(f"read {self.name}")
        self.turns.now += self.seconds

    def hold(self) -> None:
        self.log.append(f"hold {self.name}")


def test_what_comes_in_one_turn_is_read_at_its_end() -> None:
    turns, log = Turns(), list[str]()
    order = ReadOrder(turns)
    for name in "ab":
        order.add(Slow(turns, log, name, 0.0))
    assert log == []
    turns.turn()
    assert log == ["read a", "read b"]
    assert turns.calls == []


def test_those_for_whom_a_turn_is_too_short_go_on_in_the_next_one_and_are_held_until_then() -> None:
    turns, log = Turns(), list[str]()
    order = ReadOrder(turns)
    for name, seconds in (("a", READ_TIME / 2), ("b", READ_TIME), ("c", READ_TIME), ("d", 0.0)):
        order.add(Slow(turns, log, name, seconds))
    turns.turn()
    assert log == ["read a", "read b", "hold c", "hold d"]
    order.add(Slow(turns, log, "e", 0.0))
    turns.turn()
    assert log[4:] == ["read c", "hold d", "hold e"]
    turns.turn()
    assert log[7:] == ["read d", "read e"]
    assert turns.calls == []
