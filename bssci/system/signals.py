"""Signals that arrive before the service can act on them: kept until then."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FrameType
from typing import Any


class KeptSignals:
    """Signals that would otherwise end the process, kept until :meth:`act` provides their actions."""

    def __init__(self) -> None:
        self._noted: list[int] = []

    def keep(self, numbers: Iterable[int]) -> None:
        """Keep these signals from now on, except those that have a handler. In the main thread only."""
        for number in numbers:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._note)

    def release(self, numbers: Collection[int]) -> None:
        """Stop keeping these signals, discard those that came, and restore the default action."""
        for number in numbers:
            if signal.getsignal(number) == self._note:
                signal.signal(number, signal.SIG_DFL)
        self._noted = [number for number in self._noted if number not in numbers]

    def act(self, reactor: Any, actions: Mapping[int, Callable[[], object]]) -> None:
        """Call these actions at their signals, also for signals kept before; other handlers stay.

        :param reactor: the reactor in whose thread the actions are called.
        :param actions: action by signal number.
        """
        for number, action in actions.items():
            if signal.getsignal(number) in (signal.SIG_DFL, self._note):
                signal.signal(number, _caller(reactor, action))
        noted, self._noted = self._noted, []
        for number in dict.fromkeys(noted):
            if number in actions:
                reactor.callFromThread(actions[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)


def _caller(reactor: Any, action: Callable[[], object]) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: reactor.callFromThread(action)


kept_signals = KeptSignals()
"""the kept signals of this process"""
