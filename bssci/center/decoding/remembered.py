"""Steps of time that were collected earlier, so that the next question reads only what came since.

A page with a year of a sensor is looked at again and again, and changes little in a quarter of an hour. Only
what stays true is remembered: whole steps without failures or texts, by the present decoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from bssci.center.decoding.collecting import Collector
from bssci.center.decoding.payloads import DeviceId
from bssci.center.decoding.wanted import ChosenDecoder

MAX_QUESTIONS = 16
MAX_STEPS = 10_000
"""steps of all names that one answer may have, to be remembered"""


class Question(NamedTuple):
    """The part of a question for which an answer can be used again."""

    device: DeviceId
    since: float
    """Unix seconds; begin of a step"""
    every: float
    """s of one step"""
    names: frozenset[str]
    most: int


class _Answer(NamedTuple):
    until: float
    wanted: ChosenDecoder
    decoders: Mapping[str, Any]
    last_seq: int
    collector: Collector


class RememberedSteps:
    """The newest answers, bounded in number and size."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()

    def find(
        self, question: Question, until: float, wanted: ChosenDecoder, decoders: Mapping[str, Any]
    ) -> tuple[int, Collector | None]:
        """Return the number of the last uplink that is in an earlier answer, and what was collected then.

        :param until: Unix seconds; what was collected may not reach beyond it.
        :param decoders: every decoder that there is: another mapping as soon as one has changed.
        """
        answer = self._answers.get(question)
        if answer is None or answer.until > until:
            return 0, None
        if answer.wanted != wanted or answer.decoders is not decoders:
            return 0, None
        self._answers.move_to_end(question)
        return answer.last_seq, answer.collector

    def keep(
        self,
        question: Question,
        until: float,
        wanted: ChosenDecoder,
        decoders: Mapping[str, Any],
        last_seq: int,
        collector: Collector,
    ) -> None:
        """Remember what was collected, if that will hold; it must not change any more."""
        self._answers.pop(question, None)
        if collector.lasts and collector.size <= MAX_STEPS:
            self._answers[question] = _Answer(until, wanted, decoders, last_seq, collector)
            if len(self._answers) > MAX_QUESTIONS:
                self._answers.popitem(last=False)
