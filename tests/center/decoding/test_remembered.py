from __future__ import annotations

from typing import Any

import pytest

from bssci.center.decoding import remembered as module
from bssci.center.decoding.collecting import Collector
from bssci.center.decoding.remembered import Question, RememberedSteps
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder
from bssci.model import Decoded, DecodeFailure, Reading

NONE = frozenset[str]()
DECODERS: dict[str, Any] = {}
QUESTION = Question("mioty:1", 0.0, 60.0, NONE, 10)


def collected(*values: Any) -> Collector:
    collector = Collector(0.0, 1000.0, 60.0, NONE, 10)
    for number, value in enumerate(values):
        collector.add(900.0 - number, Decoded(decoder="d@1", readings=(Reading("t", value),)))
    collector.result()
    return collector


def test_an_answer_is_found_as_long_as_it_holds() -> None:
    remembered, collector = RememberedSteps(), collected(1.0, 2.0)
    assert remembered.find(QUESTION, 1000.0, NOTHING_WANTED, DECODERS) == (0, None)
    remembered.keep(QUESTION, 1000.0, NOTHING_WANTED, DECODERS, 7, collector)
    assert remembered.find(QUESTION, 1000.0, NOTHING_WANTED, DECODERS) == (7, collector)
    assert remembered.find(QUESTION, 1001.0, NOTHING_WANTED, DECODERS) == (7, collector)
    for changed in (
        (QUESTION, 999.0, NOTHING_WANTED, DECODERS),
        (QUESTION, 1000.0, ChosenDecoder("other"), DECODERS),
        (QUESTION, 1000.0, NOTHING_WANTED, {}),
        (QUESTION._replace(since=60.0), 1000.0, NOTHING_WANTED, DECODERS),
        (QUESTION._replace(names=frozenset({"t"})), 1000.0, NOTHING_WANTED, DECODERS),
    ):
        assert remembered.find(*changed) == (0, None)


def failed() -> Collector:
    collector = collected(1.0)
    collector.add(1.0, Decoded(decoder="d@1", failure=DecodeFailure("late", "not done in time")))
    return collector


def without_decoder() -> Collector:
    collector = collected(1.0)
    collector.add(1.0, None)
    return collector


def with_something_later() -> Collector:
    collector = collected(1.0)
    assert not collector.covers(1000.0)
    return collector


def incomplete() -> Collector:
    collector = collected(1.0)
    collector.cut()
    return collector


@pytest.mark.parametrize(
    "make", [failed, without_decoder, with_something_later, incomplete, lambda: collected(1.0, "closed")]
)
def test_what_may_be_otherwise_later_is_not_remembered(make: Any) -> None:
    remembered = RememberedSteps()
    remembered.keep(QUESTION, 1000.0, NOTHING_WANTED, DECODERS, 6, collected(1.0))
    remembered.keep(QUESTION, 1000.0, NOTHING_WANTED, DECODERS, 7, make())
    assert remembered.find(QUESTION, 1000.0, NOTHING_WANTED, DECODERS) == (0, None)


def test_answers_are_bounded_in_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUESTIONS", 2)
    remembered = RememberedSteps()
    questions = [QUESTION._replace(device=f"mioty:{number}") for number in range(3)]
    for question in (*questions[:2], questions[0], questions[2]):
        if remembered.find(question, 1000.0, NOTHING_WANTED, DECODERS)[1] is None:
            remembered.keep(question, 1000.0, NOTHING_WANTED, DECODERS, 1, collected(1.0))
    known = [remembered.find(each, 1000.0, NOTHING_WANTED, DECODERS)[0] for each in questions]
    assert known == [1, 0, 1]
    monkeypatch.setattr(module, "MAX_STEPS", 0)
    remembered.keep(QUESTION, 1000.0, NOTHING_WANTED, DECODERS, 1, collected(1.0))
    assert remembered.find(QUESTION, 1000.0, NOTHING_WANTED, DECODERS) == (0, None)
