"""Cache of collected intervals, so that the next query reads only the messages that came since.

A page with a year of readings is viewed again and again, and changes little in a quarter of an hour. Only
results that remain valid are cached: complete intervals without failures or texts, by the present decoders.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from bssci.center.decoding.collecting import Collector
from bssci.center.decoding.payloads import DeviceId
from bssci.center.decoding.wanted import ChosenDecoder

MAX_QUESTIONS = 16
"""answers that are cached"""
MAX_STEPS = 10_000
"""intervals of all names in an answer that is cached, at most"""


class Question(NamedTuple):
    """The part of a query that must be equal for a cached answer to be reused."""

    device: DeviceId
    since: float
    """Unix seconds; the beginning of an interval"""
    every: float
    """length of an interval, s"""
    names: frozenset[str]
    most: int


class _Answer(NamedTuple):
    until: float
    wanted: ChosenDecoder
    decoders: Mapping[str, Any]
    last_seq: int
    collector: Collector


class RememberedSteps:
    """The cached answers, bounded in number and size."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()

    def find(
        self, question: Question, until: float, wanted: ChosenDecoder, decoders: Mapping[str, Any]
    ) -> tuple[int, Collector | None]:
        """Return the number of the last message in an earlier answer, and its collector; 0 and None if none.

        :param until: Unix seconds beyond which the earlier answer must not reach.
        :param decoders: all decoders; another object as soon as one has changed.
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
        """Cache a collector if its result can be reused; it must not be changed any more."""
        self._answers.pop(question, None)
        if collector.lasts and collector.size <= MAX_STEPS:
            self._answers[question] = _Answer(until, wanted, decoders, last_seq, collector)
            if len(self._answers) > MAX_QUESTIONS:
                self._answers.popitem(last=False)
