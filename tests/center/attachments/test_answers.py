"""The answers that a command gathers."""

from __future__ import annotations

from twisted.internet.task import Clock

from bssci.center.attachments.answers import Answers
from bssci.model import EUI
from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome
from tests.support.center import result_of

HERE, THERE = EUI("CAFE000000000001"), EUI("CAFE000000000002")
A, B = EUI("A" * 16), EUI("B" * 16)
TIME = 30.0


def test_they_come_together_when_the_last_has_come() -> None:
    clock = Clock()
    answers = Answers(clock, TIME)
    answers.expect(HERE, [A, B])
    answers.away(THERE, [A, B])
    outcomes = answers.all()
    answers.answered(HERE, A, DONE)
    refused = Outcome("failed", 22, "no")
    answers.answered(HERE, B, refused)
    assert not outcomes.called  # what the station said is yet to be handed to the journal
    clock.advance(0)
    assert result_of(outcomes) == {A: {HERE: DONE, THERE: AWAY}, B: {HERE: refused, THERE: AWAY}}
    assert not clock.getDelayedCalls()


def test_a_station_that_is_silent_is_not_waited_for_longer() -> None:
    clock = Clock()
    answers = Answers(clock, TIME)
    answers.expect(HERE, [A])
    outcomes = answers.all()
    clock.advance(TIME)
    clock.advance(0)
    assert result_of(outcomes)[A][HERE] == UNANSWERED
    answers.answered(HERE, A, DONE)  # harms nobody
    clock.advance(0)


def test_nobody_to_wait_for() -> None:
    clock = Clock()
    outcomes = Answers(clock, TIME).all()
    clock.advance(0)
    assert result_of(outcomes) == {}
