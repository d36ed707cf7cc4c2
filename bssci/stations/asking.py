"""Questions to base stations: the same question from several askers is sent once, and the answer shared."""

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
    askers: list[Deferred[Answer]] = field(default_factory=list)


class Questions(Generic[Key, Answer]):
    """Questions that wait for a station's answer; a restart forgets them.

    :param time: s that an answer may take.
    :param unanswered: makes the answer, or the error, of a question that got none.
    """

    def __init__(self, clock: Clock, time: float, unanswered: Callable[[Key], Answer | Exception]) -> None:
        self._clock = clock
        self._time = time
        self._unanswered = unanswered
        self._open: dict[Key, _Question[Answer]] = {}

    def ask(self, key: Key, begin: Callable[[], None]) -> Deferred[Answer]:
        """Ask, unless the same question is outstanding.

        :param begin: sends the question; its exceptions are passed on.
        """
        question = self._open.get(key)
        if question is None:
            begin()
            question = self._open[key] = _Question(self._clock.callLater(self._time, self._give_up, key))
        asker: Deferred[Answer] = Deferred()
        question.askers.append(asker)
        return asker

    def answer(self, key: Key, answer: Answer | Exception) -> None:
        """Tell everybody who asked; an answer that nobody waits for is dropped."""
        question = self._open.pop(key, None)
        if question is None:
            return
        if question.timer.active():
            question.timer.cancel()
        for asker in question.askers:
            if isinstance(answer, Exception):
                asker.errback(answer)
            else:
                asker.callback(answer)

    def _give_up(self, key: Key) -> None:
        self.answer(key, self._unanswered(key))
