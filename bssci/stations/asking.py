"""Questions to base stations: a question asked several times is sent once, and its answer shared."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from bssci.system.clock import Clock, Timer

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Question(Generic[Answer]):
    timer: Timer
    waiting: list[Deferred[Answer]] = field(default_factory=list)


class Questions(Generic[Key, Answer]):
    """Questions that wait for a station's answer, in memory only.

    :param time: s that an answer may take.
    :param unanswered: returns the answer, or the error, for a question that got none in time.
    """

    def __init__(self, clock: Clock, time: float, unanswered: Callable[[Key], Answer | Exception]) -> None:
        self._clock = clock
        self._time = time
        self._unanswered = unanswered
        self._open: dict[Key, _Question[Answer]] = {}

    def ask(self, key: Key, begin: Callable[[], None]) -> Deferred[Answer]:
        """Ask a question, or wait with others for the answer if the same question is outstanding.

        :param key: identifies the question.
        :param begin: sends the question; its exceptions are raised here.
        :return: fires with the answer, or fails with the error.
        """
        question = self._open.get(key)
        if question is None:
            begin()
            question = self._open[key] = _Question(self._clock.callLater(self._time, self._give_up, key))
        waiting: Deferred[Answer] = Deferred()
        question.waiting.append(waiting)
        return waiting

    def answer(self, key: Key, answer: Answer | Exception) -> None:
        """Pass an answer on to all that wait for it; an answer that nothing waits for is dropped."""
        question = self._open.pop(key, None)
        if question is None:
            return
        if question.timer.active():
            question.timer.cancel()
        for waiting in question.waiting:
            if isinstance(answer, Exception):
                waiting.errback(answer)
            else:
                waiting.callback(answer)

    def _give_up(self, key: Key) -> None:
        self.answer(key, self._unanswered(key))
