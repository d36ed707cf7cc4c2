"""What the disk refuses is stored in its order, and so is what comes meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from bssci.journal import StorageError
from bssci.sinks.mqtt.disk_order import AT_ONCE, RETRY, DiskOrder, Stopped
from bssci.system.line_limit import LineLimit


class Line:
    """Requests before a disk that takes nothing until it is mended.

    :ivar stored: numbers in the order in which they were stored.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.order = DiskOrder(self.clock, LineLimit(self.clock.seconds))
        self.is_full = True
        self.stored: list[int] = []

    def ask(self, number: int, late: bool = False) -> Deferred[None]:
        """Have a request stored.

        :param late: the disk refuses it only when others have come.
        """
        return ensureDeferred(self._ask(number, late))

    async def _ask(self, number: int, late: bool) -> None:
        try:
            if not late:
                await self.order.enter(number)
            while self.is_full or late:
                late = False
                await self.order.again(number, StorageError("the disk is full"))
            self.stored.append(number)
        finally:
            self.order.leave(number)


def test_without_trouble_nobody_waits() -> None:
    line = Line()
    line.is_full = False
    assert [line.ask(number).called for number in (2, 1)] == [True, True]
    assert line.stored == [2, 1] and not line.order.is_waiting and not line.clock.getDelayedCalls()


def test_the_first_is_tried_again_and_the_others_follow_it_by_their_numbers() -> None:
    line = Line()
    for number in (1, 3, 4):
        line.ask(number)
        line.clock.advance(1.0)
    line.ask(2, late=True)
    line.clock.advance(RETRY)
    assert line.order.is_waiting
    line.is_full = False
    line.ask(5)
    assert line.stored == []
    line.clock.advance(RETRY)
    assert line.stored == [1, 2, 3, 4, 5] and not line.order.is_waiting


def test_many_follow_some_at_a_time_and_who_comes_meanwhile_is_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, turns = Line(), []
    call_later = line.clock.callLater

    def turn(delay: float, function: Callable[..., object], *arguments: object) -> object:
        if not delay:
            turns.append(len(line.stored))
            if len(turns) == 1:
                line.ask(count)
        return call_later(delay, function, *arguments)

    count = 2 * AT_ONCE + 3
    for number in range(count):
        line.ask(number)
    monkeypatch.setattr(line.clock, "callLater", turn)
    line.is_full = False
    line.clock.advance(RETRY)
    assert turns == [1 + AT_ONCE, 1 + 2 * AT_ONCE]
    assert line.stored == list(range(count + 1))


def test_one_that_is_given_up_is_followed_too() -> None:
    line = Line()
    first = line.ask(1)
    line.ask(2)
    line.is_full = False
    first.cancel()
    first.addErrback(lambda failure: None)
    assert line.stored == [2]


def test_a_stop_ends_all_waiting() -> None:
    line = Line()
    asked = [line.ask(number) for number in (1, 2)]
    line.order.stop()
    asked.append(line.ask(3))
    assert not line.clock.getDelayedCalls() and not line.order.is_waiting
    for each in asked:
        with pytest.raises(Stopped):
            each.result.raiseException()  # type: ignore[union-attr]
        each.addErrback(lambda failure: None)
