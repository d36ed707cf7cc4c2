"""Signals that may come before the service can act on them: kept until then.

Python needs some tenths of a second before a line of ours is run, and until then a SIGHUP ends the process.
A launcher closes that gap: one that ignores the signal (``trap '' HUP``), or blocks it, as :func:`held_back`
does. The process inherits either. What is ignored meanwhile is no loss, because settings, sensors and
certificates are read only later; what is blocked comes as soon as somebody keeps it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class KeptSignals:
    """Signals that would otherwise end the process, kept until :meth:`act` provides their actions."""

    def __init__(self) -> None:
        self._noted: list[int] = []

    def keep(self, numbers: Iterable[int]) -> None:
        """Note these signals from now on, unless somebody has a handler for them. In the main thread only.

        A launcher may have ignored or blocked them: that ends.
        """
        numbers = list(numbers)
        for number in numbers:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

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
            if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN, self._note):
                signal.signal(number, _caller(reactor, action))
        noted, self._noted = self._noted, []
        for number in dict.fromkeys(noted):
            if number in actions:
                reactor.callFromThread(actions[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)


@contextmanager
def held_back(number: int) -> Iterator[None]:
    """Start processes to which a signal does not come before they keep it. In the main thread only."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _caller(reactor: Any, action: Callable[[], object]) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: reactor.callFromThread(action)


kept_signals = KeptSignals()
"""the kept signals of this process"""
