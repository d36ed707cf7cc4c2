"""One command at a time for each sensor."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, ensureDeferred

from bssci.center.turns import MANY, Turns
from bssci.model import EUI
from tests.support.center import result_of

A, B, C = EUI("A" * 16), EUI("B" * 16), EUI("C" * 16)


class Work:
    """Commands that end when they are told.

    :ivar begun: their names, in the order in which they began.
    """

    def __init__(self) -> None:
        self.turns = Turns()
        self.begun: list[str] = []
        self.ends: dict[str, Deferred[str]] = {}

    def ask(self, name: str, *euis: EUI) -> Deferred[str]:
        async def command() -> str:
            self.begun.append(name)
            self.ends[name] = Deferred()
            return await self.ends[name]

        return ensureDeferred(self.turns.run(euis, command))


def test_commands_for_one_sensor_follow_each_other_and_others_go_on() -> None:
    work = Work()
    first, second = work.ask("first", A), work.ask("second", A)
    work.ask("other", B)
    assert work.begun == ["first", "other"]
    work.ends["first"].callback("done")
    assert work.begun == ["first", "other", "second"]
    assert result_of(first) == "done"
    work.ends["second"].callback("too")
    assert result_of(second) == "too"


def test_commands_for_many_wait_for_all_and_block_nobody_for_good() -> None:
    work = Work()
    work.ask("ab", A, B)
    work.ask("bc", B, C)
    work.ask("ca", C, A)
    for name in ("ab", "bc", "ca"):
        assert work.begun[-1] == name
        work.ends[name].callback("")
    work.ask("abc", A, B, C, A)
    assert work.begun[-1] == "abc"


def test_a_command_that_fails_ends_its_turn() -> None:
    work = Work()
    failing = work.ask("failing", A)
    work.ask("next", A)
    work.ends["failing"].errback(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        result_of(failing)
    assert work.begun == ["failing", "next"]
    work.ends["next"].callback("")
    assert not work.turns._locks


def test_a_command_for_very_many_waits_for_those_before_it_and_goes_before_those_after_it() -> None:
    work = Work()
    many = [EUI(f"{number:016X}") for number in range(MANY + 1)]
    for name, euis in (("one", many[:1]), ("other", [A]), ("all", many), ("late", many[:1]), ("last", [A])):
        work.ask(name, *euis)
    assert work.begun == ["one", "other"]
    work.ends["one"].callback("")
    assert work.begun == ["one", "other", "all"]
    work.ends["other"].callback("")
    work.ends["all"].callback("")
    assert work.begun[:3] == ["one", "other", "all"] and set(work.begun[3:]) == {"late", "last"}
    for name in ("late", "last"):
        work.ends[name].callback("")
    assert not work.turns._locks and not work.turns._many.locked


def test_a_command_that_comes_when_another_has_just_ended_is_waited_for() -> None:
    work = Work()
    later: list[Deferred[str]] = []

    async def short() -> str:
        return "at once"

    work.ask("first", A)
    short_one = ensureDeferred(work.turns.run([A], short))
    # The one that follows begins while the first is still giving its turn away.
    short_one.addCallback(lambda _: later.append(work.ask("second", A)))
    work.ends["first"].callback("")
    assert work.begun == ["first", "second"] and len(later) == 1
    work.ask("third", A)
    assert work.begun == ["first", "second"]
    work.ends["second"].callback("")
    work.ends["third"].callback("")
    assert not work.turns._locks
