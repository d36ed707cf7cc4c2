"""A test alarm: by every way, with what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed

from bssci.center.alarms.notices import Notice
from bssci.center.alarms.trial import PATIENCE, AlarmTrial
from bssci.center.deliveries import Deliveries
from bssci.model.commands import CommandError
from tests.support.center import House, result_of


class Way:
    """A channel that answers as it is told."""

    needs = "ALARM_WAY"

    def __init__(self, name: str, answer: Callable[[], Deferred[Any]] | None) -> None:
        self.name = name
        self.answer = answer
        self.sent: list[Notice] = []

    def is_set(self) -> bool:
        return self.answer is not None

    def send(self, notice: Notice) -> Deferred[Any]:
        self.sent.append(notice)
        assert self.answer is not None
        return self.answer()


class Sink:
    """A sink that takes events, or does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cursor = 0

    def figures(self) -> dict[str, Any]:
        return {"trouble": "the broker is away", "queued": 2}


def trial_of(house: House, *ways: Way, sinks: tuple[Sink, ...] = ()) -> AlarmTrial:
    deliveries = Deliveries(house.journal)
    for sink in sinks:
        deliveries.add(sink)  # type: ignore[arg-type]
    return AlarmTrial(house.clock, house.journal, ["one"], ways, deliveries, "SC", lambda: 7.0)


def test_every_way_is_tried_and_says_what_became_of_it(make_house: Callable[..., House]) -> None:
    house = make_house()
    ways = [
        Way("good", lambda: succeed("")),
        Way("bad", lambda: fail(ValueError("550 no such user"))),
        Way("half", lambda: succeed("kim: 550")),
        Way("mute", Deferred),
        Way("none", None),
    ]
    quick, slow = Sink("quick"), Sink("slow")
    running = ensureDeferred(trial_of(house, *ways, sinks=(quick, slow)).run("anna"))
    house.settle()
    quick.cursor = house.journal.events.last_seq
    for _ in range(int(PATIENCE) + 1):
        house.clock.advance(1)
    assert result_of(running) == [
        ("good", "done", "accepted by the server"),
        ("bad", "failed", "550 no such user"),
        ("half", "failed", "kim: 550; others get it"),
        ("mute", "failed", "no answer within 20 s"),
        ("none", "not set", "it sends to nobody: set ALARM_WAY"),
        ("quick", "done", "taken by the sink, as opened and closed"),
        ("slow", "failed", "not taken within 20 s: the broker is away"),
    ]
    [notice] = ways[0].sent
    assert notice.open == 1
    assert notice.begun[0].text == "Test alarm, requested by anna: nothing is wrong"


def test_a_test_is_no_alarm_and_one_at_a_time(make_house: Callable[..., House]) -> None:
    house = make_house()
    answer: Deferred[str] = Deferred()
    trial = trial_of(house, Way("slow", lambda: answer))
    running = ensureDeferred(trial.run("anna"))
    house.settle()
    with pytest.raises(CommandError, match="another test"):
        result_of(ensureDeferred(trial.run("bert")))
    answer.callback("")
    house.settle()
    assert [each.state for each in result_of(running)] == ["done"]
    assert len(house.center.alarms) == 0
    running = ensureDeferred(trial_of(house, Way("none", None)).run("anna"))
    house.settle()
    assert [each.state for each in result_of(running)] == ["not set"]
