"""The answers that a command gathers."""

from __future__ import annotations

from twisted.internet.task import Clock

from bssci.center.attachments.answers import Answers
from bssci.model import EUI
from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome, Outcomes
from tests.support.center import result_of

HERE, THERE = EUI("CAFE000000000001"), EUI("CAFE000000000002")
A, B = EUI("A" * 16), EUI("B" * 16)
TIME = 30.0


def test_they_come_together_when_the_last_has_come() -> None:
    clock = Clock()
    answers = Answers(clock, TIME, [A, B])
    answers.expect(HERE, [A, B])
    answers.away(THERE)
    outcomes = answers.all()
    answers.answered(HERE, A, DONE)
    refused = Outcome("failed", 22, "no")
    answers.answered(HERE, B, refused)
    assert not outcomes.called  # what the station said is yet to be handed to the journal
    clock.advance(0)
    found = result_of(outcomes)
    assert found.of(A) == {HERE: DONE, THERE: AWAY}
    assert found.of(B) == {HERE: refused, THERE: AWAY}
    assert not clock.getDelayedCalls()


def test_a_station_that_is_silent_is_not_waited_for_longer() -> None:
    clock = Clock()
    answers = Answers(clock, TIME, [A])
    answers.expect(HERE, [A])
    outcomes = answers.all()
    clock.advance(TIME)
    clock.advance(0)
    assert result_of(outcomes).of(A) == {HERE: UNANSWERED}
    answers.answered(HERE, A, DONE)  # harms nobody
    clock.advance(0)


def test_nobody_to_wait_for() -> None:
    clock = Clock()
    outcomes = Answers(clock, TIME, []).all()
    clock.advance(0)
    assert result_of(outcomes) == Outcomes()


def test_stations_that_are_away_are_kept_once_for_all_sensors() -> None:
    clock = Clock()
    answers = Answers(clock, TIME, [A, B])
    answers.away(THERE)
    answers.expect(HERE, [A])
    answers.left(HERE, [B])
    answers.answered(HERE, A, DONE)
    outcomes = answers.all()
    clock.advance(0)
    found = result_of(outcomes)
    assert found == Outcomes({A: {HERE: DONE}, B: {HERE: AWAY}}, away=[THERE])
    assert found.count() == {"done": 1, "away": 3}
