"""A question is asked once; everybody who asked it hears the answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from bssci.stations.asking import Questions
from tests.support.center import result_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def questions(clock: Clock) -> Questions[str, str]:
    return Questions(clock, 10.0, lambda key: f"no answer to {key}")


@pytest.fixture
def begun() -> list[str]:
    return []


def begin(begun: list[str]) -> Callable[[], None]:
    return lambda: begun.append("sent")


def test_who_asks_meanwhile_shares_the_answer(questions: Questions[str, str], begun: list[str]) -> None:
    asked = [questions.ask("how", begin(begun)) for _ in range(3)]
    other = questions.ask("why", begin(begun))
    questions.answer("how", "well")
    assert [result_of(each) for each in asked] == ["well"] * 3
    assert begun == ["sent", "sent"] and not other.called
    questions.ask("how", begin(begun))
    assert len(begun) == 3


def test_an_error_is_told_to_all(questions: Questions[str, str], begun: list[str]) -> None:
    asked = [questions.ask("how", begin(begun)) for _ in range(2)]
    questions.answer("how", ValueError("no"))
    for each in asked:
        with pytest.raises(ValueError, match="no"):
            result_of(each)


def test_it_ends_after_a_while(questions: Questions[str, str], begun: list[str], clock: Clock) -> None:
    asked = questions.ask("how", begin(begun))
    clock.advance(10.0)
    assert result_of(asked) == "no answer to how"
    questions.answer("how", "too late")
    assert clock.getDelayedCalls() == []


def test_a_question_that_could_not_be_sent_was_not_asked(
    questions: Questions[str, str], clock: Clock
) -> None:
    with pytest.raises(ZeroDivisionError):
        questions.ask("how", lambda: 1 // 0)
    assert clock.getDelayedCalls() == []
